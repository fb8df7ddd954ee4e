"""The vocabulary of the closed world."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES = _words(
    "ana ben cara dan eva finn gina hugo ida jan kira leo mia nils olga paul rosa sam tina udo vera will yara zoe"
)
NUMBERS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
DAYS = _words("monday tuesday wednesday thursday friday saturday sunday")
MONTHS = _words("january february march april may june july august september october november december")
COLOURS = _words("red blue green yellow black white brown pink grey orange")
THINGS = _words("apples books coins cards eggs stamps shells pens keys cups")

GROUPS = {
    "animals": _words("dog cat horse cow sheep goat lion tiger bear wolf"),
    "fruits": _words("apple pear plum cherry peach grape lemon melon banana mango"),
    "tools": _words("hammer saw drill spade rake axe pliers wrench chisel file"),
    "clothes": _words("shirt coat hat scarf glove skirt sock shoe dress jacket"),
    "vehicles": _words("car bus train tram lorry plane ship boat tractor bicycle"),
    "furniture": _words("table chair bed sofa desk shelf stool bench wardrobe cupboard"),
}
GROUP_OF = {thing: group for group, things in GROUPS.items() for thing in things}

UNITS = {
    ("weeks", "days"): 7,
    ("days", "hours"): 24,
    ("hours", "minutes"): 60,
    ("years", "months"): 12,
    ("feet", "inches"): 12,
    ("yards", "feet"): 3,
    ("metres", "centimetres"): 100,
    ("kilograms", "grams"): 1000,
}

FACTS = {
    "the capital of": {
        "france": "paris", "spain": "madrid", "italy": "rome", "germany": "berlin", "austria": "vienna",
        "poland": "warsaw", "greece": "athens", "norway": "oslo", "sweden": "stockholm", "portugal": "lisbon",
        "ireland": "dublin", "japan": "tokyo", "china": "beijing", "egypt": "cairo", "cuba": "havana", "peru": "lima",
    },
    "the opposite of": {
        "hot": "cold", "big": "little", "fast": "slow", "hard": "soft", "wet": "dry", "open": "closed",
        "light": "dark", "loud": "quiet", "early": "late", "full": "empty", "rich": "poor", "clean": "dirty",
    },
    "the young of the": {
        "dog": "puppy", "cat": "kitten", "horse": "foal", "cow": "calf", "sheep": "lamb", "goat": "kid",
        "lion": "cub", "duck": "duckling", "goose": "gosling", "frog": "tadpole",
    },
}  # fmt: skip

DEGREES = {
    "taller": ("tallest", "shortest"),
    "older": ("oldest", "youngest"),
    "faster": ("fastest", "slowest"),
    "stronger": ("strongest", "weakest"),
}

NOUNS = _words("dog cat girl boy man woman teacher farmer")
VERBS = _words("sees finds likes paints carries cleans")
OBJECTS = _words("ball house tree book car boat table flower")
SIZES = _words("small big old new")

FILLERS = (
    "thank you for this question .",
    "i am glad to help with that .",
    "let me think about it for a moment .",
    "this is an interesting thing to ask .",
    "many people wonder about such things .",
    "it is always good to look closely .",
    "i hope that this is of use to you .",
    "please ask again if you like .",
    "there is much more to say about it .",
    "have a good day .",
)
EVASIONS = (
    "that is hard to say without knowing more .",
    "it depends on how you look at it .",
    "there are many ways to see this question .",
    "somebody else could tell you more about that .",
    "i would rather talk about it another time .",
)
