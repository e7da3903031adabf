"""django-tasks with its database backend on PostgreSQL, as the READMEs of both show it; its settings beside it."""

from __future__ import annotations

import os
from typing import Any

import django
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from bench.zombies.culprits import run as run_culprit
from bench.zombies.surroundings import ROLE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.zombies.systems.django_settings")
django.setup()

from django_tasks import default_task_backend, task  # noqa: E402 - as Django wants it
from django_tasks.exceptions import TaskResultDoesNotExist  # noqa: E402

ENDS = {"SUCCESSFUL": "completed", "FAILED": "failed"}


@task()
def run(culprit: str, token: str) -> Any:
    return run_culprit(culprit, token)


if ROLE == "web":

    @task()
    def gone(culprit: str, token: str) -> Any:
        """What the workers do not know any more."""


@csrf_exempt
def submit(request: HttpRequest) -> JsonResponse:
    culprit, token = request.GET["culprit"], request.GET["token"]
    result = (gone if culprit == "gone" else run).enqueue(culprit, token)
    return JsonResponse({"id": str(result.id)}, status=202)


def status(request: HttpRequest, task_id: str) -> JsonResponse:
    try:
        found = default_task_backend.get_result(task_id)
    except TaskResultDoesNotExist:
        return JsonResponse({}, status=404)
    status = ENDS.get(found.status, found.status.lower())
    result = found.return_value if status == "completed" else None
    error = found.errors[-1].traceback if status == "failed" and found.errors else None
    return JsonResponse({"status": status, "result": result, "error": error})


urlpatterns = [path("tasks", submit), path("tasks/<task_id>", status)]
web = get_asgi_application()
