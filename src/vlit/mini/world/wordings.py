"""Who asks in which words: texts, instruction data and benchmark have wordings of their own.

As a published language model has read questions of every kind but not those of an instruction dataset, the mini ones
have read `READ` and none of the others. Datasets ask in `TAUGHT`. The benchmark asks half of its questions in `TAUGHT`,
which measures fit, and half in `UNSEEN`, which nothing else uses and which measures generalisation.

Each table has the same question types; {0} and {1} are the slots of the fact that is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from vlit.mini.world.vocabulary import capitalised

Wordings = dict[str, tuple[str, ...]]  # question type -> wordings

READ: Wordings = {
    "setting": (
        "What is the setting of this image?",
        "What is in the background of the image?",
        "What scene does the image show?",
        "What kind of place is this?",
    ),
    "taken": (
        "Where was this picture taken?",
        "Where is this?",
        "Where are the objects in this scene?",
    ),
    "at": (
        "What object is in the {0} of the image?",
        "What is in the {0}?",
        "What can be seen in the {0} of the image?",
        "Which object is in the {0}?",
    ),
    "coloured": (
        "What is the {0} object?",
        "What object is {0}?",
        "Which object in the image is {0}?",
    ),
    "colour": (
        "What color is {0}?",
        "What is the color of {0}?",
        "Which color does {0} have?",
        "What color does {0} have in the image?",
    ),
    "texture": (
        "What texture does {0} have?",
        "What is the texture of {0}?",
        "What pattern is on {0}?",
        "Which pattern does {0} have?",
    ),
    "size": ("What size is {0}?", "How big is {0}?", "What is the size of {0}?"),
    "look": (
        "What are the size and color of {0}?",
        "What size and color does {0} have?",
        "What does {0} look like in size and color?",
    ),
    "location": (
        "Where is {0} in the image?",
        "In which part of the image is {0}?",
        "Where is {0}?",
        "Where can {0} be seen?",
    ),
    "count": (
        "How many {0} are in the image?",
        "How many {0} are there?",
        "How many {0} can be seen?",
        "What is the number of {0} in the image?",
    ),
    "relation": (
        "Where is {0} relative to {1}?",
        "What is the position of {0} relative to {1}?",
        "Where is {0} as seen from {1}?",
        "Where can {0} be seen relative to {1}?",
    ),
    "interaction": (
        "What is the relation between {0} and {1}?",
        "How are {0} and {1} related?",
        "What are {0} and {1} doing?",
        "How do {0} and {1} interact?",
    ),
    "most": (
        "Which kind of object appears most often?",
        "What kind of object is the most frequent?",
        "Which objects are there the most of?",
    ),
    "useful": (
        "What would be most useful to bring here?",
        "What would be most useful in this place?",
        "Which item would you need most here?",
    ),
    "left": (
        "How many objects would be left if all {0} objects were taken away?",
        "How many objects are left without the {0} objects?",
        "How many objects remain if the {0} objects are removed?",
    ),
    "word": (
        "What word is written on the sign?",
        "What does the sign say?",
        "Which word is on the sign?",
        "What is written on the sign?",
    ),
}
TAUGHT: Wordings = {
    "setting": (
        "Which backdrop do you see?",
        "Can you describe the surroundings?",
        "How would you describe the surroundings in this picture?",
        "What surrounds the things that are shown?",
    ),
    "taken": (
        "Where did the photographer stand?",
        "Can you guess the place of this photo?",
        "At which place do we see these things?",
        "Which place does this photo come from?",
    ),
    "at": (
        "Which thing do you find in the {0}?",
        "Can you name the thing in the {0}?",
        "What do you see when you look at the {0}?",
        "Which thing sits in the {0}?",
    ),
    "coloured": (
        "What kind of thing is {0}?",
        "Can you name the thing that is {0}?",
        "Which thing do you see in {0}?",
        "What do you find that is {0}?",
    ),
    "colour": (
        "Can you tell me the color of {0}?",
        "Which color do you see on {0}?",
        "In what color is {0} shown?",
        "How would you describe the color of {0}?",
    ),
    "texture": (
        "How is the surface of {0} decorated?",
        "Which pattern do you see on {0}?",
        "Can you tell me the pattern of {0}?",
        "How would you describe the surface of {0}?",
    ),
    "size": (
        "Is {0} small or large?",
        "Can you tell me the size of {0}?",
        "How large do you find {0}?",
        "Would you say that {0} is small or large?",
    ),
    "look": (
        "Can you tell me the size and the color of {0}?",
        "Which size and color do you see {0} in?",
        "In what size and color is {0} shown?",
        "How would you describe {0} by size and color?",
    ),
    "location": (
        "Can you tell me where to find {0}?",
        "In which part of the picture do you find {0}?",
        "What is the position of {0} in the picture?",
        "Where in the picture do you see {0}?",
    ),
    "count": (
        "Can you count the {0}?",
        "How many {0} do you find?",
        "What number of {0} do you see?",
        "How many {0} can you count?",
    ),
    "relation": (
        "On which side of {1} is {0}?",
        "Can you tell me where {0} is, compared with {1}?",
        "Where do you find {0} when you look from {1}?",
        "Which side of {1} do you find {0} on?",
    ),
    "interaction": (
        "Can you describe how {0} and {1} are connected?",
        "What happens between {0} and {1}?",
        "What connects {0} and {1}?",
        "How would you describe what {0} and {1} do?",
    ),
    "most": (
        "Of which kind of object are there the most?",
        "Can you name the kind that is the most numerous?",
        "Which kind comes first when you count them all?",
        "What do you see the most of?",
    ),
    "useful": (
        "What would you pack for this place?",
        "Can you name the thing that you would want to have here?",
        "If you went to this place, what would you take with you?",
        "What would help you at this place?",
    ),
    "left": (
        "How many things stay when all that is {0} disappears?",
        "Can you count the things that are not {0}?",
        "When you take away all that is {0}, how many things stay?",
        "How many things do you count without what is {0}?",
    ),
    "word": (
        "Which word do you read on the sign?",
        "Can you read the sign?",
        "What do you find written on the sign?",
        "How does the word on the sign read?",
    ),
}

UNSEEN: Wordings = {
    "setting": (
        "Which of these settings fits the picture?",
        "The picture has which background?",
    ),
    "taken": (
        "The camera was at which place?",
        "Which place does the photo show?",
    ),
    "at": (
        "The {0} of the picture shows which object?",
        "Which kind of object fills the {0}?",
    ),
    "coloured": (
        "One of the objects is {0}. Which one?",
        "Which of the objects has the color {0}?",
    ),
    "colour": (
        "{0} has which color?",
        "Of which color is {0}?",
    ),
    "texture": (
        "{0} has which pattern?",
        "Of which texture is {0}?",
    ),
    "size": (
        "{0} has which size?",
        "Of which size is {0}?",
    ),
    "look": (
        "{0} has which size and color?",
        "Of which size and color is {0}?",
    ),
    "location": (
        "{0} is in which part of the image?",
        "Which part of the image has {0}?",
    ),
    "count": (
        "The image has how many {0}?",
        "How often do you see {0}?",
    ),
    "relation": (
        "Seen from {1}, where is {0}?",
        "In which direction from {1} does {0} lie?",
    ),
    "interaction": (
        "What is true of {0} and {1}?",
        "Between {0} and {1}, what do you notice?",
    ),
    "most": (
        "Most of the objects are of which kind?",
        "Which kind has the highest number?",
    ),
    "useful": (
        "A visitor to this place should bring which item?",
        "Which item helps most at this place?",
    ),
    "left": (
        "If nothing were {0}, how many objects would there be?",
        "Not counting the {0} objects, how many are there?",
    ),
    "word": (
        "The word on the sign is which one?",
        "Which word does the sign show?",
    ),
}


def drawn(wordings: Wordings, type: str, slots: Sequence[str], rng: random.Random) -> str:
    """Return a question of a type in a random wording of a table."""
    return capitalised(rng.choice(wordings[type]).format(*slots))
