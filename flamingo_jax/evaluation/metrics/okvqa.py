# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""VQA accuracy of stems: OK-VQA's annotations have them beside the answers.

What is said is stemmed by the rules that OpenFlamingo's published scores were
computed with, which imitate those of the annotations.
"""

from collections.abc import Sequence
import functools

import numpy as np

from flamingo_jax.evaluation.metrics.metric import Metric, Target, Unavailable
from flamingo_jax.evaluation.metrics.vqa import agreement, normalise, strip_space

# Words that the rules would stem otherwise, by the ending that they lose and
# what takes its place.
_EXCEPTIONS = {
    ('', ''): 'are christmas las married police tennis vegas yes',
    ('s', ''): """
        adhesives bases braves caves childrens cumulis doves drives gloves graves
        jeans microwaves overseas pies quantas shelves sometimes ties waves
        womens""",
    ('es', ''): """
        alpes circuses clothes hornes lenses lowes rabbies raines routes""",
    ("'s", ''): """
        batter's boy's daughter's domino's farmer's hell's kid's men's regent's
        veteran's""",
    ('ing', ''): """
        awning browsing clothing couponing earing firefighting hearding morning
        pooping rodeoing scrapbooking sunbathing teasing teething texting
        toileting""",
    ('ing', 'e'): """
        coding dining kiting mating paring piping plating riding staring striping
        swining wading""",
    ('ings', ''): """
        belongings buildings earnings markings meetings paintings stockings""",
    ('ness', ''): """
        alertness badness baldness blindness brightness drunkenness illness
        ripeness sadness sickness smugness vastness wetness wilderness""",
    ('e', ''): """
        corgie creame crepte gondoliere hawke mustange pease porche potatoe ringe
        sautee tomatoe walle""",
    ('ers', ''): """
        backpackers containers designers firefighters hamburgers protesters
        reminders reporters skateboarders suspenders travelers""",
    ('ions', ''): 'directions expressions projections reflections transitions',
    ('als', ''): 'minerals nationals personals professionals',
    ('ous', ''): 'coniferous dangerous mountainous',
    ('er', ''): 'conducter kindergartener sunblocker',
    ('lers', ''): 'controllers propellers travellers',
    ('d', ''): 'glaced paned',
    ('ting', ''): 'eatting haircutting',
    ('izing', ''): 'polarizing socializing',
    ('ations', ''): 'decorations revelations',
    ('ves', 'f'): 'leaves', ('ding', ''): 'pudding', ('ning', ''): 'tenning',
    ('ating', 'e'): 'urinating', ('ity', ''): 'curiousity',
    ('fulness', ''): 'playfulness', ('ics', ''): 'electronics',
    ('icity', ''): 'electicity', ('pings', ''): 'toppings', ('ds', ''): 'mopeds',
    ('ators', ''): 'elevators', ('ences', ''): 'conferences',
    ('ments', ''): 'apartments', ('ize', ''): 'oxygenize',
    ('ring', 'e'): 'purring', ('ates', ''): 'emirates',
    ('eering', ''): 'charioteering', ('ings', 'e'): 'casings',
    ('ioning', 'e'): 'vacationing', ('tings', ''): 'settings',
    ('izers', ''): 'vandalizers', ('dings', ''): 'weddings',
}
_STEMS = {
    word: word.removesuffix(lost) + instead
    for (lost, instead), words in _EXCEPTIONS.items() for word in words.split()
}
_DATA = 'wordnet punkt_tab averaged_perceptron_tagger_eng'


@functools.lru_cache(100_000)  # short answers come again and again
def stem(answer: str) -> str:
  """Plural nouns become singular, words in -ing verbs in their basic form.

  Raises:
    Unavailable: nltk, its data or inflection is missing.
  """
  try:
    import inflection
    import nltk

    words = nltk.pos_tag(nltk.tokenize.word_tokenize(answer))
    lemmatize = nltk.stem.WordNetLemmatizer().lemmatize
    return ' '.join(
        _STEMS[word] if word in _STEMS
        else lemmatize(word, 'v') if word.endswith('ing')
        else inflection.singularize(word) if tag.startswith(('NNS', 'NNPS'))
        else word
        for word, tag in words
    )
  except ImportError:
    raise Unavailable(
        "stems need nltk and inflection: pip install -e '.[eval]' -c "
        'constraints.txt'
    ) from None
  except (LookupError, OSError):  # OSError: some of its files are missing
    raise Unavailable(
        'stems need data that nltk does not bring along: run '
        f"'python -m nltk.downloader {_DATA}'"
    ) from None


def _measure(
    targets: Sequence[Target], predictions: Sequence[str]
) -> np.ndarray:
  compared = lambda text: normalise(strip_space(text))
  return np.array([
      agreement(
          compared(stem(prediction)),
          list(map(compared, target['record']['stems'])),
      )
      for target, prediction in zip(targets, predictions, strict=True)
  ])


VQA_ACCURACY_STEMMED = Metric(
    'vqa_accuracy_stemmed', 1, _measure,
    notes='stems of what is said and of the annotations, normalised, as '
    "OpenFlamingo's",
)
