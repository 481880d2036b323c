"""``python -m workers.pool --region eu``: one process of a pool, started by its supervisor."""

from __future__ import annotations

import argparse
import asyncio
import sys

from models.base import SternwayError
from models.settings import Settings
from workers.observability import logs
from workers.pool.process import end_with_parent, predicting, regional, serve


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--region", required=True)
    parser.add_argument("--parent", type=int, required=True, help="process id of the supervisor")
    parser.add_argument("--predict", action="store_true", help="the region's predictions, and nothing else")
    arguments = parser.parse_args()
    end_with_parent(arguments.parent)
    region: str = arguments.region
    settings = Settings()
    logs.configure(settings, f"predictor-{region}" if arguments.predict else f"pool-{region}")
    try:
        asyncio.run(serve(region, settings, predicting if arguments.predict else regional))
    except SternwayError as error:
        print(f"sternway pool: {error}", file=sys.stderr)
        raise SystemExit(2) from None


main()
