"""`qatflow`, and `python -m qatflow`. Told to end in the second in which its commands are imported, it just ends."""

from qatflow import stopping


def main() -> None:
    """Run the command line."""
    stopping.at_once()
    from qatflow.cli import main as run

    stopping.by_default()
    run()


if __name__ == "__main__":
    main()
