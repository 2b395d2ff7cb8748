# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How the tests' programs are compiled."""

# They are small and run once or twice: compiling is what takes time. Without
# optimisation it is a third less, and half of that with the older emitters.
QUICK = '--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false'
EIGHT_DEVICES = '--xla_force_host_platform_device_count=8'
