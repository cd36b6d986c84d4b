from serval.models.resource_names import (
    golden_function_name,
    inference_function_name,
    own_function_names,
)

LONGEST_STAGE, LONGEST_MODEL = "s" * 24, "m" * 62


def test_names_fit_what_lambda_takes_and_stay_apart() -> None:
    names = [
        name(LONGEST_STAGE, LONGEST_MODEL + end)
        for name in (inference_function_name, golden_function_name)
        for end in ("a", "b")
    ]
    assert max(map(len, names)) == 64
    assert len(set(names)) == len(names)


def test_a_models_functions_have_names_that_follow_from_it() -> None:
    assert own_function_names("prod", ["iris"]) == {
        "infer-iris": "serval-prod-infer-iris",
        "golden-iris": "serval-prod-golden-iris",
    }
