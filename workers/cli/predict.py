"""``sternway predict``: what will break next, how likely that is, and how good the model is that says so."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from models.base import SternwayError
from workers.cli.table import ago, show_parts, table_of
from workers.cli.word import By, Why

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from activities.analytics.store import Store
    from activities.analytics.store.ticks import Tick
    from models.catalog import Catalog
    from models.prediction import Model

app = typer.Typer(no_args_is_help=True, help="Predict incidents, and see how well that goes.")

Version = Annotated[int, typer.Argument(help="The model's version, as `sternway predict models` shows it.")]
Service = Annotated[str | None, typer.Option(help="Only this service's.")]
Region = Annotated[str | None, typer.Option(help="Only this region's.")]
Days = Annotated[int, typer.Option(help="How many days back.", min=1, max=35)]
Url = Annotated[str | None, typer.Option("--url", help="The store, if it is not the one of the settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command()
def pool(
    region: Annotated[str, typer.Option(help="The region whose services it watches.")],
    processes: Annotated[int, typer.Option(min=1, help="Each remembers all services of the region.")] = 1,
) -> None:
    """Measure and predict the services of one region, once in each interval of the catalog.

    It keeps the region's schedule in Temporal. Needs the extra: pip install 'sternway[predict]'; with
    'sternway[learn]' it also learns anew, once a day, where that is of use. Settings come from the environment, as for
    `sternway pool`; it needs no token of the control planes.

    Example: [bold]sternway predict pool --region eu[/bold]
    """
    from models.settings import Settings
    from workers.catalog import load_catalog
    from workers.observability import logs
    from workers.pool.supervisor import supervise

    _require("numpy", "onnxruntime", extra="predict")
    settings = Settings()
    catalog = load_catalog(settings.catalog).catalog
    if region not in catalog.regions:
        raise SternwayError(f"the catalog has no region {region!r}; it has {', '.join(catalog.regions)}")
    logs.configure(settings, f"predictor-{region}")
    raise typer.Exit(supervise(region, processes, "--predict"))


@app.command()
def show(region: Region = None, url: Url = None, as_json: Json = False) -> None:
    """Show what is predicted now of every service, or why nothing is.

    Example: [bold]sternway predict show --region eu[/bold]
    """
    from datetime import UTC, datetime, timedelta

    from activities.analytics.store import prediction_models, ticks

    catalog = _catalog()
    if region is not None and region not in catalog.regions:
        raise SternwayError(f"the catalog has no region {region!r}; it has {', '.join(catalog.regions)}")
    with _store(url) as store:
        current = prediction_models.current(store)
        regions = [region] if region else list(catalog.regions)
        latest = {name: ticks.latest(store, name, catalog.prediction.interval) for name in regions}
    if as_json:
        document = {
            "model": current.version if current else None,
            "regions": {name: tick.model_dump(mode="json") if tick else None for name, tick in latest.items()},
        }
        print(json.dumps(document))
        return
    table = table_of("service", "region", "probability", "measured")
    measured = [(name, tick) for name, tick in latest.items() if tick is not None]
    for name, tick in measured:
        is_old = datetime.now(UTC) - tick.at > timedelta(seconds=2 * catalog.prediction.interval)
        for service in sorted(tick.samples):
            said = f"measured {ago(tick.at)}: nothing is predicted" if is_old else _said(tick, service)
            table.add_row(service, name, said, ago(tick.at))
    horizon = catalog.prediction.horizon / 60
    head = f"version {current.version} predicts new incidents within {horizon:g} minutes" if current else _NO_MODEL
    nothing = "nothing has been measured; start `sternway predict pool --region REGION`"
    show_parts(head, table if measured else nothing)


def _said(tick: Tick, service: str) -> str:
    """The probability, or why there is none."""
    if (probability := (tick.probabilities or {}).get(service)) is not None:
        return f"{probability:.1%}"
    if isinstance(reading := tick.samples[service], str):
        return reading
    return (tick.abstained or {}).get(service, "nothing is predicted yet")


_NO_MODEL = "no model predicts yet; learn one with `sternway predict train`"


@app.command()
def alarms(
    service: Service = None,
    region: Region = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 20,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List the alarms that predictions have raised, and what has become of them.

    Example: [bold]sternway predict alarms --service payments[/bold]
    """
    from activities.analytics.store import predictions

    with _store(url) as store:
        found = predictions.alarms(store, region, service, limit)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in found]))
        return
    table = table_of("alarm", "raised", "probability", "model", "came true")
    for kept in found:
        alarm = kept.alarm
        came = "not known yet" if kept.came_true is None else "yes" if kept.came_true else "no"
        table.add_row(alarm.id, ago(alarm.at), f"{alarm.probability:.1%}", str(alarm.model), came)
    show_parts(table if found else "no alarm was raised")


@app.command()
def explain(
    alarm: Annotated[str, typer.Argument(help="The alarm, as `sternway predict alarms` shows it.")],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Say what spoke for an alarm: each feature with its value, the usual one, and what it adds.

    Example: [bold]sternway predict explain eu/payments/29345678[/bold]
    """
    from activities.analytics.store import predictions

    with _store(url) as store:
        kept = predictions.alarm(store, alarm)
    if kept is None:
        raise SternwayError(f"there is no alarm {alarm}; see `sternway predict alarms`")
    if as_json:
        print(kept.model_dump_json())
        return
    told = kept.alarm
    minutes = (told.until - told.at).total_seconds() / 60
    facts = table_of("", "")
    facts.add_row("service", f"{told.service} in {told.region}")
    facts.add_row("raised", f"{told.at:%Y-%m-%d %H:%M} UTC by version {told.model}")
    facts.add_row(
        "said", f"a new incident within {minutes:g} minutes: {told.probability:.1%}, from {told.threshold:.1%}"
    )
    came = {None: "not known yet", True: "an incident began", False: "no incident began"}[kept.came_true]
    facts.add_row("at risk", kept.risk.sentence if kept.risk else "not looked at yet")
    facts.add_row("became", came)
    reasons = table_of("what speaks for it or against", "of the log-odds")
    for one in told.contributions:
        reasons.add_row(one.sentence, f"{one.log_odds:+.2f}")
    show_parts(facts, "", reasons if told.contributions else "nothing of it was explained")


@app.command("models")
def list_models(url: Url = None, as_json: Json = False) -> None:
    """List the versions of the model, the newest first, with their standing.

    Example: [bold]sternway predict models[/bold]
    """
    from activities.analytics.store import prediction_models

    with _store(url) as store:
        found = prediction_models.models(store)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in found]))
        return
    table = table_of("version", "learned", "standing", "since", "because")
    for model in found:
        table.add_row(str(model.version), ago(model.created_at), model.status, ago(model.since), model.because)
    show_parts(table if found else _NO_MODEL)


@app.command()
def promote(version: Version, by: By, reason: Why, url: Url = None, as_json: Json = False) -> None:
    """Let this version predict from now on. The one that did so far is kept as a way back.

    A version that cannot be read is refused. Needs the extra: pip install 'sternway[predict]'.

    Example: [bold]sternway predict promote 3 --reason "it knows the new checkout"[/bold]
    """
    _require("numpy", "onnxruntime", extra="predict")
    from datetime import UTC, datetime

    from activities.analytics.store import prediction_models
    from activities.predictor.serving.bundle import read

    with _store(url) as store:
        read(prediction_models.bundle(store, version))
        model = prediction_models.promote(store, version, f"{by}: {reason}", datetime.now(UTC))
    _tell(model, as_json)


@app.command()
def back(
    by: By,
    reason: Why,
    off: Annotated[bool, typer.Option("--off", help="Even where nothing predicts then.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Let the version before the current one predict again.

    Where there is none, nothing would predict: that is done with --off only.

    Example: [bold]sternway predict back --reason "too many false alarms"[/bold]
    """
    from datetime import UTC, datetime

    from activities.analytics.store import prediction_models

    with _store(url) as store:
        current = prediction_models.current(store)
        if current is None:
            raise SternwayError(f"there is nothing to go back from: {_NO_MODEL}")
        if prediction_models.way_back(store) is None and not off:
            raise SternwayError(
                f"version {current.version} has none before it, and nothing would predict: say --off if that is meant"
            )
        prediction_models.refuse(store, current.version, f"{by}: {reason}", datetime.now(UTC))
        now = prediction_models.current(store)
    if now is None:
        print(json.dumps(None) if as_json else f"version {current.version} is off; nothing predicts now")
        return
    _tell(now, as_json)


@app.command()
def train(
    promote: Annotated[bool, typer.Option("--promote", help="Let it predict at once where it is better.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Learn a version from what is kept of the last five weeks, and hold it against the one that predicts.

    It learns on the older part, and both are compared on the newest fifth, which neither has learned from. The exit
    status is 0 if it is better, 1 if not or if nothing could be learned. Needs the extra: pip install
    'sternway[predict,learn]'.

    Example: [bold]sternway predict train --promote[/bold]
    """
    from datetime import UTC, datetime

    from activities.analytics.store import prediction_models

    _require(*_LEARNING, extra="predict,learn")
    from activities.predictor.challenging import learn

    with _store(url) as store:
        learned = learn(store, _catalog(), _progress)
        if promote and learned.better and learned.version is not None:
            prediction_models.promote(store, learned.version, learned.because, datetime.now(UTC))
    if as_json:
        print(learned.model_dump_json())
    elif learned.version is None:
        print(f"nothing was learned: {learned.because}")
    else:
        better = "better" if learned.better else "not better"
        way = "" if promote and learned.better else f"; `sternway predict promote {learned.version}` lets it predict"
        print(f"version {learned.version} is {better}: {learned.because}{way}")
    raise typer.Exit(0 if learned.better else 1)


@app.command()
def examine(url: Url = None, as_json: Json = False) -> None:
    """Say how the version that predicts has done, and whether to go back or to learn anew.

    `sternway predict pool` asks this once a day, and does what it says.

    Example: [bold]sternway predict examine[/bold]
    """
    _require(*_LEARNING, extra="predict,learn")
    from activities.predictor.challenging import examine as look

    with _store(url) as store:
        found = look(store, _catalog(), _progress)
    if as_json:
        print(found.model_dump_json())
        return
    version = "no version predicts" if found.version is None else f"version {found.version} predicts"
    back = found.go_back and f"it should go back: {found.go_back}"
    anew = found.learn and f"learn anew: {found.learn}"
    print("; ".join(filter(None, (version, back, anew))))
    for sentence in found.drifted:
        print(f"worth a look: {sentence}")


@app.command()
def evaluate(
    version: Annotated[int | None, typer.Option(help="Which version. Default: the one that predicts.")] = None,
    days: Days = 7,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show a version once more what is kept, and hold it against the incidents that came.

    A version that was learned from these days looks better than it is.

    Example: [bold]sternway predict evaluate --version 3 --days 14[/bold]
    """
    _require("numpy", "onnxruntime", extra="predict")
    from datetime import UTC, datetime, timedelta

    from activities.analytics.store import prediction_models
    from activities.predictor.history import layout_of
    from activities.predictor.replaying import fitting, replay, standing
    from activities.predictor.serving.bundle import read
    from activities.predictor.stored import kept

    catalog, now = _catalog(), datetime.now(UTC)
    with _store(url) as store:
        current = prediction_models.current(store)
        asked = version if version is not None else current.version if current else None
        if asked is None:
            raise SternwayError(_NO_MODEL)
        bundle = fitting(read(prediction_models.bundle(store, asked)), layout_of(catalog))
        known = kept(store, catalog, now - timedelta(days=35), _progress)
    first = int((now - timedelta(days=days)).timestamp()) // catalog.prediction.interval
    said, since = replay(bundle, known, _progress).said, dict.fromkeys(known.first_numbers, first)
    found = standing(known, said, bundle.manifest.threshold, since).as_json()
    if as_json:
        print(json.dumps({"version": asked, "days": days, **found}))
        return
    facts = table_of("", "")
    for name, value in found.items():
        facts.add_row(name.replace("_", " "), "not measured" if value is None else f"{value:.4g}")
    show_parts(f"version {asked} over the last {days} days", facts)


_LEARNING = ("numpy", "onnxruntime", "lightgbm", "onnx", "sklearn", "xgboost")


def _progress(text: str) -> None:
    """On standard error, and on one line where that is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)


def _catalog() -> Catalog:
    from models.settings import Settings
    from workers.catalog import load_catalog

    return load_catalog(Settings().catalog).catalog


def _tell(model: Model, as_json: bool) -> None:
    print(model.model_dump_json() if as_json else f"version {model.version} is {model.status}: {model.because}")


def _store(url: str | None) -> AbstractContextManager[Store]:
    from contextlib import contextmanager

    from activities.analytics.store import open_store
    from models.settings import Settings

    @contextmanager
    def opened() -> Generator[Store]:
        store = open_store(url or Settings().store_url)
        try:
            yield store
        finally:
            store.close()

    return opened()


def _require(*modules: str, extra: str) -> None:
    """Raises :class:`~models.base.SternwayError` where something of an extra is not installed."""
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise SternwayError(f"{', '.join(missing)} is not installed: pip install 'sternway[{extra}]'")
