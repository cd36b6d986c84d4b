"""Expressions: what they read, what they give, and what they may take."""

import subprocess
import sys
from typing import Any

import pytest

from serval.pipelines.expressions import ExpressionWrong, parse_expression
from serval.pipelines.jsonata_engine import LimitExceeded, check_growth
from serval.pipelines.shapes import ANY, LABELS, SCALAR, Shape

KNOWN: dict[str, Shape] = {
    "tags": LABELS,
    "text": SCALAR,
    "words": {"word": SCALAR},
    "price": ANY,
    "step": {"y": SCALAR, "out.1": SCALAR},
}
DATA = {
    "tags": [{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}],
    "text": "hi",
    "words": [],
    "price": {"value": 3},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tags[0].label", "cat"),
        ("tags.label", ["cat", "dog"]),
        ("tags[score > 0.5].label", "cat"),
        ("tags^(score)[0].label", "dog"),
        ("$map(tags, function($t) { $t.label & text })", ["cathi", "doghi"]),
        ("text ~> $uppercase", "HI"),
        ("($best := tags[0]; $best.score > 0.8)", True),
        ("{'title': text, 'no': null}", {"title": "hi", "no": None}),
        ("[tags[[0..2]]]", DATA["tags"]),
        ("[words.word]", []),
        ("tags{label: score}", {"cat": 0.9, "dog": 0.1}),
        ("price", {"value": 3}),
        ("price.value", 3),
    ],
)  # fmt: skip
def test_an_expression_gives_plain_json(text: str, value: Any) -> None:
    found = parse_expression(text).evaluate(DATA)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tags[0].label & text", {"tags", "text"}),
        ("tags.(label & $$.text)", {"tags", "text"}),
        ("tags[score > price.value]", {"tags"}),
        ("$.words.word", {"words"}),
        ("($x := tags; $x.label)", {"tags"}),
        ("$map(tags, function($t) { $t.label & text })", {"tags", "text"}),
        ("price ? text : 1", {"price", "text"}),
        ("step.y", {"step"}),
    ],
)
def test_an_expression_reads_what_it_names_at_its_root(text: str, names: set[str]) -> None:
    if "price.value" in text:
        assert parse_expression(text).reads(KNOWN | {"tags": ANY}).mistakes == ()
        return
    read = parse_expression(text).reads(KNOWN)
    assert (read.names, read.mistakes) == (names, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tags[0].lable", "'tags' has no 'lable'; did you mean 'label'?"),
        ("tags[scor > 0.5]", "it has no 'scor'; did you mean 'score'?"),
        ("tags^(weight)", "it has no 'weight'; it has label, score"),
        ("text.upper", "'text' has no fields, so no 'upper'"),
        ("($x := tags; $x.labl)", "it has no 'labl'; did you mean 'label'?"),
        ("{'a': tags.label, 'b': wordz}", "the pipeline has no 'wordz'; did you mean 'words'?"),
        ("step.z", "'step' has no 'z'; it has y, out.1"),
        ("$now()", "there is no function $now here"),
        ("$eval('1')", "there is no function $eval here"),
        ("$random() > text", "there is no function $random here"),
        ("text ~> $shuffle", "there is no function $shuffle here"),
        ("$x", "there is no variable $x here"),
        ("$contains(text, /a+/)", "a regular expression is not taken here"),
        ("tags.*", "a wildcard ('*') is not taken here"),
        ("**.label", "a wildcard ('**') is not taken here"),
        ("tags.%.text", "a parent ('%') is not taken here"),
        ("$", "'$' and '$$' alone stand for everything: name what is read"),
        ("$keys($$)", "'$' and '$$' alone stand for everything: name what is read"),
        ("tags@$t.label", "a variable bound on the way ('@' or '#') is not taken here"),
        ("tags#$i.label", "a variable bound on the way ('@' or '#') is not taken here"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    assert said in parse_expression(text).reads(KNOWN).mistakes


def test_an_output_whose_name_is_no_word_is_quoted() -> None:
    read = parse_expression("step.`out.1`").reads(KNOWN)
    assert read.parts == {("step", "out.1")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 and", "is not JSONata: Unexpected end of expression"),
        ("(" * 2000, "is not JSONata: nested too deeply"),
        ("x" * 5000, "5000 characters, at most 4096 allowed"),
        ("", "is not JSONata"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, said: str) -> None:
    with pytest.raises(ExpressionWrong, match=said):
        parse_expression(text)


LONG = "$t := $reduce([1..16], function($a, $b) { $a & $a }, 'xxxxxxxxxx')"
"""A text of 655,360 characters, which may be; its product with another may not."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("($f := function($n) { $f($n + 1) }; $f(0))", "it takes longer than 250 ms"),
        ("($f := function($n) { 1 + $f($n) }; $f(0))", "it is nested more than 100 deep"),
        ("[1..10000000]", "has more than 100000 items"),
        ("$reduce([1..40], function($a, $b) { $a & $a }, 'xxxxx')", "a text of more than 1000000"),
        ("$reduce([1..40], function($a, $b) { $append($a, $a) }, [1])", "a list of more than"),
        (f"({LONG}; $join($split($substring($t, 0, 2000), ''), $t))", "a text of more than"),
        (f"({LONG}; $replace($substring($t, 0, 2000), 'x', $t))", "a text of more than"),
        ("function($x) { $x }", "it gives a function, a JSON value expected"),
        ("tags[5].label", "gives nothing, a value expected"),
        ("missing", "gives nothing, a value expected"),
        ("$error('no stock')", "no stock"),
        ("text + 1", "must evaluate to a number"),
    ],
)
def test_an_evaluation_that_goes_wrong_says_why(text: str, said: str) -> None:
    with pytest.raises(ExpressionWrong) as wrong:
        parse_expression(text).evaluate(DATA)
    assert said in str(wrong.value)


def test_an_evaluation_after_one_that_went_wrong_has_all_of_its_limits() -> None:
    expression = parse_expression(
        "($f := function($n) { $n > 30 ? $n : $f($n + 1) + 0 }; $f(text))"
    )
    for _ in range(20):
        with pytest.raises(ExpressionWrong):
            expression.evaluate({"text": "no number"})
    assert expression.evaluate({"text": 1}) == 31


def test_an_evaluation_leaves_what_it_reads_as_it_is() -> None:
    data = {"tags": [{"label": None}, 1], "text": "a"}
    found = parse_expression("$append(tags, [text])").evaluate(data)
    found[0]["label"] = "changed"
    assert data == {"tags": [{"label": None}, 1], "text": "a"}


def test_plain_names_need_no_library() -> None:
    code = (
        "import sys\n"
        "from serval.pipelines.expressions import parse_expression\n"
        "parse_expression('step.y').reads({'step': {'y': {}}})\n"
        "parse_expression('x').evaluate({'x': 1})\n"
        "assert 'jsonata' not in sys.modules\n"
        "limit = sys.getrecursionlimit()\n"
        "parse_expression('x + 1').evaluate({'x': 1})\n"
        "assert 'jsonata' in sys.modules\n"
        "assert sys.getrecursionlimit() == limit"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("join", [["a"] * 2000, "x" * 1000]), ("replace", ["a" * 2000, "a", "x" * 1000, None])],
)
def test_a_long_text_of_two_short_ones_is_refused_before_it_is_made(
    function: str, arguments: list[Any]
) -> None:
    with pytest.raises(LimitExceeded, match="more than 1000000 characters"):
        check_growth(function, arguments)
    check_growth(function, [*arguments[:1], "y", *arguments[2:]])
