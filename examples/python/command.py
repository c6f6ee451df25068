"""What the three commands share."""
import argparse
import asyncio
import sys
import typing

from errors import LograftError


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("topic")
    made.add_argument("--router", dest="routers", action="append", required=True, help='"host:port"; may be given several times')
    return made


def run(main: typing.Coroutine[typing.Any, typing.Any, None]) -> None:
    try:
        asyncio.run(main)
    except (LograftError, LookupError, ConnectionError) as error:
        sys.exit(str(error))
