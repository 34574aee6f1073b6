"""The commands. The only room that prints, asks or exits."""


def main() -> None:
    """Run the command line."""
    raise NotImplementedError
