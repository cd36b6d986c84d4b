"""Good URLs of callbacks, cron expressions and expressions of pipelines."""

from collections.abc import Callable

from serval.pipelines.expressions import parse_expression
from serval.pipelines.shapes import ANY

URLS = [
    b"https://example.com:8443/done?id=1&x=%20",
    b"https://[2001:db8::1]/a",
    b"https://example.com/",
]
CRONS = [
    b"0 3 * * ? *",
    b"0/15 8-18 ? * MON-FRI *",
    b"0 6 L * ? 2030-2040",
    b"0 6 ? JAN,FEB 2#1 *",
    b"5,10 6 15W * ? *",
]

EXPRESSIONS = [
    b"tags[0].label & text",
    b"{'title': $uppercase(text), 'tags': [tags[score > 0.5].label], 'none': null}",
    b"($best := tags^(>score)[0]; $best.score > 0.8 ? $best : -1.5e3)",
    b"$map(tags, function($t, $i) { $t.label & $string($i) }) ~> $join(', ')",
    b"tags{label: $sum(score)}",
]


def lenient(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """Give a reader of text bytes that may be none."""
    return lambda data: read(data.decode("utf-8", "surrogateescape"))


def evaluated(text: str) -> object:
    """Parse an expression and, if a pipeline may have it, evaluate it."""
    expression = parse_expression(text)
    if expression.reads({"tags": ANY, "text": ANY}).mistakes:
        return None
    tags = [{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}]
    return expression.evaluate({"tags": tags, "text": "hi"})
