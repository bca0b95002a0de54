"""djangorestframework-api-key as its guide sets it up, over SQLite in this process's memory.

For each count on standard input, it prints the average nanoseconds of a verification over this number of verifications.
"""

import random
import sys
import time

import django
from django.conf import settings
from django.core.management import call_command

KEYS = 1000

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["rest_framework", "rest_framework_api_key"],
    USE_TZ=True,
)
django.setup()
call_command("migrate", verbosity=0)

from rest_framework_api_key.models import APIKey  # noqa: E402 - models can be read once Django is set up

keys = [APIKey.objects.create_key(name="a key")[1] for _ in range(KEYS)]

print("ready", flush=True)
for line in sys.stdin:
    count = int(line)
    started = time.perf_counter_ns()
    for _ in range(count):
        if not APIKey.objects.is_valid(random.choice(keys)):
            raise SystemExit("a key that lives was refused")
    print((time.perf_counter_ns() - started) / count, flush=True)
