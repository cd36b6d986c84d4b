"""Good URLs of callbacks, and good cron expressions."""

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
