"""Small pieces of text that messages, tables and captions share."""


def plural(count: int, noun: str, nouns: str = "") -> str:
    """The count, with thousands separators, and its noun: "1 run", "1,200 runs"; `nouns` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
