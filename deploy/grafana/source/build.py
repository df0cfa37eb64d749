"""From panels as data to the JSON that Grafana reads, by its own SDK."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from grafana_foundation_sdk.builders import bargauge, common, dashboard, elasticsearch, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.elasticsearch import TermsOrder
from panel import BLUE, COLOURS, VERMILION, Counted, Dashboard, Listed, Panel, Query

PROMETHEUS: Final = models.DataSourceRef(type_val="prometheus", uid="${prometheus}")
ELASTICSEARCH: Final = models.DataSourceRef(type_val="elasticsearch", uid="${elasticsearch}")
AT: Final = 'instance=~"$instance"'
COLUMNS: Final = 24
TIME: Final = "@timestamp"
ALL: Final = models.VariableOption(selected=True, text="All", value="$__all")
INTERVALS: Final = "15s,1m,5m,15m,1h,6h,1d"
RECORDS: Final = "munjigi-records"
EVERYTHING: Final = "*"


def rendered(page: Dashboard) -> str:
    """Return the dashboard's file."""
    made = _head(page)
    for built in _placed(page):
        made.with_panel(built)
    content = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _head(page: Dashboard) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.text)
        .tags(["munjigi"])
        .readonly()
        .timezone("browser")
        .refresh("1m")
        .time(page.since, "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("prometheus").label("Prometheus").type("prometheus"))
        .with_variable(dashboard.DatasourceVariable("elasticsearch").label("Elasticsearch").type("elasticsearch"))
        .with_variable(
            dashboard.QueryVariable("instance")
            .label("Host")
            .description("Hosts that run Munjigi")
            .datasource(PROMETHEUS)
            .query({"qryType": 1, "query": "label_values(munjigi_workers, instance)", "refId": "instance"})
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(ALL)
        )
        .with_variable(
            dashboard.IntervalVariable("interval")
            .label("Interval")
            .description("Shortest time that one point stands for")
            .values(INTERVALS)
            .auto(True)
            .min_interval("15s")
            .step_count(200)
            .current(models.VariableOption(selected=True, text="auto", value="$__auto"))
        )
        .link(
            dashboard.DashboardLink("Munjigi")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["munjigi"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    if page.uid == RECORDS:
        made.with_variable(
            dashboard.TextBoxVariable("query")
            .label("Records")
            .description("Which records, in the words of Lucene: munjigi.decision:DENY AND user.name:cs.kim")
            .default_value(EVERYTHING)
            .current(models.VariableOption(selected=True, text=EVERYTHING, value=EVERYTHING))
        )
    return made


def _placed(page: Dashboard) -> Iterator[Any]:
    """Yield each row's title and panels, from left to right, a new line where the next one doesn't fit."""
    y = number = 0
    for title, panels in page.rows:
        number += 1
        place = models.GridPos(h=1, w=COLUMNS, x=0, y=y)
        yield dashboard.Panel().type("row").title(title).id(number).grid_pos(place)
        y += 1
        x = tallest = 0
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            place = models.GridPos(h=panel.height, w=panel.width, x=x, y=y)
            yield _panel(panel).id(number).grid_pos(place)
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _panel(panel: Panel) -> Any:
    made = _SHAPES[panel.shape](panel).title(panel.title).description(_description(panel)).unit(panel.unit)
    if isinstance(panel.ask, Counted | Listed):
        made.datasource(ELASTICSEARCH).with_target(_elasticsearch(panel.ask))
    else:
        made.datasource(PROMETHEUS)
        for number, query in enumerate(panel.ask):
            made.with_target(_prometheus(panel, query, chr(ord("A") + number)))
    if panel.shape in _OVER_TIME:
        made.interval("$interval")
    if panel.records:
        made.data_links([dashboard.DashboardLink("Records").url(_records_url(panel.records))])
    return made


def _description(panel: Panel) -> str:
    parts = [panel.text]
    if panel.quiet:
        parts.append(f"Empty while all is well: {panel.quiet}.")
    if panel.search:
        parts.append(f"Records: `munjigi audit search {panel.search}`")
    return "\n\n".join(parts)


def _records_url(lucene: str) -> str:
    """Link to the records; `${…}` in the question is filled in by Grafana."""
    asked = "".join(part if part.startswith("${") else quote(part, safe=":.*") for part in re.split(r"(\$\{[^}]*\})", lucene))
    return f"/d/{RECORDS}?${{__url_time_range}}&${{prometheus:queryparam}}&${{elasticsearch:queryparam}}&var-query={asked}"


def _prometheus(panel: Panel, query: Query, name: str) -> Any:
    made = prometheus.Dataquery().ref_id(name).datasource(PROMETHEUS)
    made.expr(query.expression.replace("$at", AT)).legend_format(query.legend)
    return made.range() if panel.shape in _OVER_TIME else made.instant()


def _elasticsearch(ask: Counted | Listed) -> Any:
    made = elasticsearch.Dataquery().ref_id("A").datasource(ELASTICSEARCH).time_field(TIME).query(ask.lucene)
    if isinstance(ask, Listed):
        settings = elasticsearch.ElasticsearchRawDataSettings().size(str(ask.most))
        return made.metrics([elasticsearch.RawData().id("1").settings(settings)]).bucket_aggs([])
    made.metrics([_number(ask.number).id("1")])
    return made.bucket_aggs([_bucket(field, number, ask.most) for number, field in enumerate(ask.by, start=2)])


def _number(number: str) -> Any:
    kind, _, field = number.partition(" ")
    if not field:
        return elasticsearch.Count()
    kinds: dict[str, Any] = {"sum": elasticsearch.Sum, "cardinality": elasticsearch.UniqueCount, "max": elasticsearch.Max}
    return kinds[kind]().field(field)


def _bucket(field: str, number: int, most: int) -> Any:
    if field == TIME:
        settings = elasticsearch.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0").trim_edges("0")
        return elasticsearch.DateHistogram().id(str(number)).field(field).settings(settings)
    terms = elasticsearch.ElasticsearchTermsSettings().order(TermsOrder.DESC).order_by("1").size(str(most)).min_doc_count("1")
    return elasticsearch.Terms().id(str(number)).field(field).settings(terms)


def _legend() -> Any:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(shapes.LegendDisplayMode.LIST)
        .placement(shapes.LegendPlacement.BOTTOM)
        .calcs([])
    )


def _over_time(panel: Panel) -> Any:
    stacked = panel.shape == "areas"
    made = (
        timeseries.Panel()
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING))
        .fill_opacity(60 if stacked else 8)
        .line_width(1 if stacked else 2)
        .min(0)
        .stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL if stacked else shapes.StackingMode.NONE).group("A"))
    )
    if panel.shape == "steps":
        made.line_interpolation(shapes.LineInterpolation.STEP_AFTER)
    for name, colour in COLOURS.items():
        made.override_by_name(name, [models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})])
    return made


def _number_shown(panel: Panel) -> Any:
    return (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(shapes.BigValueColorMode.VALUE)
        .graph_mode(shapes.BigValueGraphMode.NONE)
        .thresholds(_thresholds(panel))
    )


def _bars(panel: Panel) -> Any:
    return (
        bargauge.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(True))  # a bar for each row
        .orientation(shapes.VizOrientation.HORIZONTAL)
        .display_mode(shapes.BarGaugeDisplayMode.BASIC)
        .min(0)
        .thresholds(_thresholds(panel))
    )


def _thresholds(panel: Panel) -> Any:
    steps = [models.Threshold(value=None, color=BLUE)]
    if panel.worry is not None:
        steps.append(models.Threshold(value=panel.worry, color=VERMILION))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _table(panel: Panel) -> Any:
    made = table.Panel().filterable(True)
    ask = panel.ask
    if isinstance(ask, Listed):
        kept = dict.fromkeys(ask.fields, True)
        order = {field: place for place, field in enumerate(ask.fields)}
        made.with_transformation(
            models.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(kept)}})
        ).with_transformation(models.DataTransformerConfig(id_val="organize", options={"indexByName": order}))
    return made


_OVER_TIME: Final = frozenset(("lines", "areas", "steps"))
_SHAPES: Final = {
    "lines": _over_time,
    "areas": _over_time,
    "steps": _over_time,
    "number": _number_shown,
    "bars": _bars,
    "table": _table,
}
