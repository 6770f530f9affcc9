# ruff: noqa: E501  (a case is a line)
"""Replies as models write them when they miss the format, by hand, and what is to be read out of each.

A case is a name, the reply, and either the turns or the reason why there are none.
"""

from __future__ import annotations

Q1, A1 = "What animal is shown?", "A brown dog."
Q2, A2 = "Where is it?", "It lies on the sofa."
ONE = [(Q1, A1)]
TWO = [(Q1, A1), (Q2, A2)]
GOOD = f'{{"User": "{Q1}", "AI": "{A1}", "User": "{Q2}", "AI": "{A2}"}}'
FIRST = f'{{"User": "{Q1}", "AI": "{A1}", '

WELL_FORMED: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("the format", GOOD, TWO),
    ("one turn", f'{{"User": "{Q1}", "AI": "{A1}"}}', ONE),
    ("pretty printed", GOOD.replace(", ", ",\n  ").replace("{", "{\n  ").replace("}", "\n}"), TWO),
    ("list of objects", f'[{{"User": "{Q1}", "AI": "{A1}"}}, {{"User": "{Q2}", "AI": "{A2}"}}]', TWO),
    ("list of single keys", f'[{{"User": "{Q1}"}}, {{"AI": "{A1}"}}, {{"User": "{Q2}"}}, {{"AI": "{A2}"}}]', TWO),
    ("object a line", f'{{"User": "{Q1}", "AI": "{A1}"}}\n{{"User": "{Q2}", "AI": "{A2}"}}', TWO),
    ("objects with commas", f'{{"User": "{Q1}", "AI": "{A1}"}}, {{"User": "{Q2}", "AI": "{A2}"}}', TWO),
    ("under another key", f'{{"conversation": [{{"User": "{Q1}", "AI": "{A1}"}}]}}', ONE),
    ("chat messages", f'[{{"role": "user", "content": "{Q1}"}}, {{"role": "assistant", "content": "{A1}"}}]', ONE),
    ("llava messages", f'[{{"from": "human", "value": "{Q1}"}}, {{"from": "gpt", "value": "{A1}"}}]', ONE),
    ("lower-case keys", f'{{"user": "{Q1}", "ai": "{A1}"}}', ONE),
    ("other names", f'{{"Human": "{Q1}", "Assistant": "{A1}"}}', ONE),
    ("numbered keys", f'{{"User1": "{Q1}", "AI1": "{A1}", "User2": "{Q2}", "AI2": "{A2}"}}', TWO),
    ("question and answer", f'{{"Question": "{Q1}", "Answer": "{A1}"}}', ONE),
    ("fenced", f"```json\n{GOOD}\n```", TWO),
    ("fenced without a language", f"```\n{GOOD}\n```", TWO),
    ("a string in JSON", '"{\\"User\\": \\"' + Q1 + '\\", \\"AI\\": \\"' + A1 + '\\"}"', ONE),
    ("a number as answer", '{"User": "How many?", "AI": 2}', [("How many?", "2")]),
    (
        "escaped quotes",
        '{"User": "What does it say?", "AI": "It says \\"STOP\\"."}',
        [("What does it say?", 'It says "STOP".')],
    ),
    ("unicode escapes", '{"User": "Where?", "AI": "In a caf\\u00e9."}', [("Where?", "In a café.")]),
    (
        "key in a value",
        '{"User": "What is this?", "AI": "A sign: \\"AI\\": yes."}',
        [("What is this?", 'A sign: "AI": yes.')],
    ),
]

MALFORMED: list[tuple[str, str, list[tuple[str, str]] | str]] = [
    # quotes
    ("single quotes", GOOD.replace('"', "'"), TWO),
    (
        "single quotes and apostrophes",
        "{'User': 'What's that?', 'AI': 'It's the dog's bed.'}",
        [("What's that?", "It's the dog's bed.")],
    ),
    ("python repr", "{'User': \"What's that?\", 'AI': 'A bed.'}", [("What's that?", "A bed.")]),
    ("python escapes", "{'User': 'What\\'s that?', 'AI': 'It\\'s a bed.'}", [("What's that?", "It's a bed.")]),
    ("curly quotes", f"{{“User”: “{Q1}”, “AI”: “{A1}”}}", ONE),
    ("backticks", f"{{`User`: `{Q1}`, `AI`: `{A1}`}}", ONE),
    ("unquoted keys", f'{{User: "{Q1}", AI: "{A1}", User: "{Q2}", AI: "{A2}"}}', TWO),
    ("unquoted values", f'{{"User": {Q1}, "AI": {A1}, "User": {Q2}, "AI": {A2}}}', TWO),
    ("nothing quoted", f"{{User: {Q1}\nAI: {A1}\nUser: {Q2}\nAI: {A2}}}", TWO),
    (
        "unescaped quotes",
        '{"User": "What does it say?", "AI": "It says "STOP"."}',
        [("What does it say?", 'It says "STOP".')],
    ),
    (
        "unescaped quotes at the end",
        '{"User": "What does it say?", "AI": "It says "STOP""}',
        [("What does it say?", 'It says "STOP"')],
    ),
    (
        "unescaped quotes with commas",
        '{"User": "Read "A", "B" and "C", please.", "AI": "They are "A", "B", and "C".", "User": "Why?", "AI": "No idea."}',
        [('Read "A", "B" and "C", please.', 'They are "A", "B", and "C".'), ("Why?", "No idea.")],
    ),
    (
        "question in unescaped quotes",
        '{"User": ""OPEN" means what?", "AI": "You may enter."}',
        [('"OPEN" means what?', "You may enter.")],
    ),
    ("closing quote missing in the question", f'{{"User": "{Q1}, "AI": "{A1}"}}', ONE),
    ("closing quote missing in the answer", f'{{"User": "{Q1}", "AI": "{A1}, "User": "{Q2}", "AI": "{A2}"}}', TWO),
    ("closing quote missing at the end", f'{{"User": "{Q1}", "AI": "{A1}}}', ONE),
    ("opening quote missing", f'{{"User": {Q1}", "AI": "{A1}"}}', ONE),
    ("bad escapes", '{"User": "Is it 5\\% full?", "AI": "No\\, it is not."}', [("Is it 5% full?", "No, it is not.")]),
    ("raw line break in a value", '{"User": "What\nis it?", "AI": "A dog."}', [("What\nis it?", "A dog.")]),
    ("mixed quotes", f"{{\"User\": '{Q1}', 'AI': \"{A1}\"}}", ONE),
    ("double braces", "{" + GOOD + "}", TWO),
    ("everything escaped", GOOD.replace('"', '\\"'), TWO),
    # separators and braces
    ("trailing comma", f'{{"User": "{Q1}", "AI": "{A1}",}}', ONE),
    ("missing comma", f'{{"User": "{Q1}" "AI": "{A1}" "User": "{Q2}" "AI": "{A2}"}}', TWO),
    ("missing commas between lines", f'{{"User": "{Q1}"\n"AI": "{A1}"}}', ONE),
    ("semicolons", f'{{"User": "{Q1}"; "AI": "{A1}"}}', ONE),
    ("full-width colon", f'{{"User"： "{Q1}", "AI"： "{A1}"}}', ONE),
    ("equals signs", f'{{"User" = "{Q1}", "AI" = "{A1}"}}', ONE),
    ("arrows", f'{{"User" => "{Q1}", "AI" => "{A1}"}}', ONE),
    ("no braces", f'"User": "{Q1}", "AI": "{A1}", "User": "{Q2}", "AI": "{A2}"', TWO),
    ("no closing brace", GOOD[:-1], TWO),
    ("no opening brace", GOOD[1:], TWO),
    ("square brackets", "[" + GOOD[1:-1] + "]", TWO),
    ("objects without a list", f'{{"User": "{Q1}"}}, {{"AI": "{A1}"}} , {{"User": "{Q2}"}} {{"AI": "{A2}"', TWO),
    ("list not closed", f'[{{"User": "{Q1}", "AI": "{A1}"}}, {{"User": "{Q2}", "AI": "{A2}"}}', TWO),
    # text around it
    ("preamble", f"Sure, here is a conversation:\n\n{GOOD}", TWO),
    ("preamble on the line", f"Generated conversation: {GOOD}", TWO),
    ("trailing text", f"{GOOD}\n\nI hope this helps!", TWO),
    ("trailing text on the line", f"{GOOD} I hope this helps!", TWO),
    ("trailing note with quotes", f'{GOOD}\n\nNote: the "dog" is my guess.', TWO),
    ("fence with text around", f"Here you go:\n```json\n{GOOD}\n```\nLet me know!", TWO),
    ("fence not closed", f"```json\n{GOOD}", TWO),
    ("fence of another language", f"```python\n{GOOD.replace(chr(34), chr(39))}\n```", TWO),
    (
        "heading between the turns",
        f'{{"User": "{Q1}", "AI": "{A1}"}}\n\nSecond turn:\n{{"User": "{Q2}", "AI": "{A2}"}}',
        TWO,
    ),
    ("numbered list", f'1. {{"User": "{Q1}", "AI": "{A1}"}}\n2. {{"User": "{Q2}", "AI": "{A2}"}}', TWO),
    ("comment after a value", f'{{"User": "{Q1}", // first\n"AI": "{A1}"}}', ONE),
    # no JSON at all
    ("plain lines", f"User: {Q1}\nAI: {A1}\nUser: {Q2}\nAI: {A2}", TWO),
    ("plain paragraphs", f"User: {Q1}\n\nAI: {A1}\n\nUser: {Q2}\n\nAI: {A2}", TWO),
    ("plain lines and a closing remark", f"User: {Q1}\nAI: {A1}\n\nThat is all I can say.", ONE),
    ("plain lines with quotes", f'User: "{Q1}"\nAI: "{A1}"', ONE),
    ("bold", f"**User:** {Q1}\n**AI:** {A1}\n**User:** {Q2}\n**AI:** {A2}", TWO),
    ("bold names", f"**User**: {Q1}\n**AI**: {A1}", ONE),
    ("bullets", f"- User: {Q1}\n- AI: {A1}", ONE),
    ("headings", f"### User: {Q1}\n### AI: {A1}", ONE),
    ("q and a", f"Q: {Q1}\nA: {A1}\nQ: {Q2}\nA: {A2}", TWO),
    ("numbered plain", f"User 1: {Q1}\nAI 1: {A1}\nUser 2: {Q2}\nAI 2: {A2}", TWO),
    (
        "bare AI within a sentence",
        '{"User": "Who made it?", "AI": "An AI: it drew this, user: nobody."',
        [("Who made it?", "An AI: it drew this, user: nobody.")],
    ),
    # cut off
    ("cut off in an answer", f'{FIRST}"User": "{Q2}", "AI": "It lies on the so', ONE),
    ("cut off after a sentence", f'{FIRST}"User": "{Q2}", "AI": "{A2}', TWO),
    ("cut off in a question", f'{FIRST}"User": "Where is', ONE),
    ("cut off after a question", f'{FIRST}"User": "{Q2}", ', ONE),
    ("cut off in a key", f'{FIRST}"User": "{Q2}", "A', ONE),
    ("cut off after a key", f'{FIRST}"User": "{Q2}", "AI":', ONE),
    ("cut off after an opening quote", f'{FIRST}"User": "{Q2}", "AI": "', ONE),
    ("cut off after a comma", FIRST, ONE),
    ("cut off in an escape", f'{FIRST}"User": "{Q2}", "AI": "It says \\', ONE),
    ("cut off in the only answer", f'{{"User": "{Q1}", "AI": "A brown d', "no answer"),
    # what can't be repaired
    ("empty", "", "empty reply"),
    ("white space", " \n\t ", "empty reply"),
    ("refusal", "I'm sorry, but I can't help with that.", "no conversation in the reply"),
    ("empty object", "{}", "no conversation in the reply"),
    ("other keys", '{"caption": "A dog.", "objects": ["dog"]}', "no conversation in the reply"),
    ("garbage", "\x00\x01{{{[[[\"'", "no conversation in the reply"),
    ("the AI first", f'{{"AI": "{A1}", "User": "{Q1}"}}', "starts with the AI"),
    ("two questions in a row", f'{{"User": "{Q1}", "User": "{Q2}", "AI": "{A2}"}}', "turns do not alternate"),
    ("two answers in a row", f'{{"User": "{Q1}", "AI": "{A1}", "AI": "{A2}"}}', "turns do not alternate"),
    ("only a question", f'{{"User": "{Q1}"}}', "no answer"),
    ("empty answer", f'{{"User": "{Q1}", "AI": ""}}', "empty turn"),
    ("null answer", f'{{"User": "{Q1}", "AI": null}}', "empty turn"),
    ("empty question", f'{{"User": " ", "AI": "{A1}"}}', "empty turn"),
]
