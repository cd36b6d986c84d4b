#!/usr/bin/env bash
# Calls a deployed stage and prints one line per check; see cloud-smoke.md. Needs SERVAL_STAGE and SERVAL_API_KEY.
set -euo pipefail
stage=${SERVAL_STAGE:?the name of the deployed stage} key=${SERVAL_API_KEY:?from serval keys create}
output() {
  aws cloudformation describe-stacks --stack-name "serval-$stage-api" \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}
api=$(output ApiUrl)
infer="$api/v2/models/iris/infer"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
json='{"inputs":[{"name":"measurements","datatype":"FP32","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}]}'
failed=0
check() {  # check NAME EXPECTED_STATUS CURL_ARGUMENTS…
  local name=$1 expected=$2; shift 2
  local got; got=$(curl -sS -o "$work/reply" -w '%{http_code}' "$@")
  if [ "$got" = "$expected" ]; then echo "ok    $name"; else echo "WRONG $name: $got, expected $expected: $(head -c 300 "$work/reply")"; failed=1; fi
}
auth=(-H "x-api-key: $key")
check "health" 200 "${auth[@]}" "$api/v2/health/ready"
check "metadata" 200 "${auth[@]}" "$api/v2/models/iris"
check "inference in JSON" 200 "${auth[@]}" -d "$json" "$infer"
head='{"inputs":[{"name":"measurements","datatype":"FP32","shape":[1,4],"parameters":{"binary_data_size":16}}]}'
{ printf '%s' "$head"; printf '\x00\x00\x80\x3f%.0s' 1 2 3 4; } > "$work/binary"
check "binary tensors without a Content-Type" 200 "${auth[@]}" -H "Content-Type:" \
  -H "Inference-Header-Content-Length: ${#head}" --data-binary @"$work/binary" "$infer"
printf '%s' "$json" | gzip > "$work/gzip"
check "gzip request" 200 "${auth[@]}" -H "Content-Type: application/octet-stream" -H "Content-Encoding: gzip" \
  --data-binary @"$work/gzip" "$infer"
check "no key" 401 -d "$json" "$infer"
check "a wrong key" 401 -H "x-api-key: srv_wrong" -d "$json" "$infer"
check "an unknown path" 404 "${auth[@]}" "$api/nowhere"
head -c 7000000 /dev/zero > "$work/large"
check "a 7 MB body" 413 "${auth[@]}" --data-binary @"$work/large" "$infer"
function=$(output Functions | python3 -c 'import json,sys; print(json.load(sys.stdin)["infer"])')
for cold in 1 2 3 4 5 6 7 8 9 10; do
  aws lambda update-function-configuration --function-name "$function" --description "cold start $cold" > "$work/changed"
  aws lambda wait function-updated-v2 --function-name "$function"
  curl -sS -o "$work/reply" -D "$work/headers" -w "cold start $cold: %{time_total} s, " "${auth[@]}" -d "$json" "$infer"
  grep -i '^server-timing' "$work/headers" || head -c 300 "$work/reply"
done
exit $failed
