"""``python -m workers.pool --region eu``: one process of a pool, started by its supervisor."""

from __future__ import annotations

import argparse
import asyncio
import sys

from models.base import SternwayError
from models.settings import Settings
from workers.observability import logs
from workers.pool.process import end_with_parent, serve


def main() -> None:
    end_with_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("--region", required=True)
    region: str = parser.parse_args().region
    settings = Settings()
    logs.configure(settings, f"pool-{region}")
    try:
        asyncio.run(serve(region, settings))
    except SternwayError as error:
        print(f"sternway pool: {error}", file=sys.stderr)
        raise SystemExit(2) from None


main()
