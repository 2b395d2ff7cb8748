# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How the tests' programs are compiled."""

# They are small and run once or twice: compiling is what takes time. Without
# optimisation it is a third less, half of that with the older emitters, and a
# little less if it is not split among threads that other tests use.
QUICK = ' '.join((
    '--xla_backend_optimization_level=0', '--xla_cpu_use_fusion_emitters=false',
    '--xla_cpu_parallel_codegen_split_count=1',
))
EIGHT_DEVICES = '--xla_force_host_platform_device_count=8'
