"""The settings of the Django app."""

from urllib.parse import urlsplit

from bench.zombies.surroundings import STORE

url = urlsplit(STORE)
SECRET_KEY = "-"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "bench.zombies.systems.django_"
INSTALLED_APPS = ["django_tasks", "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path[1:],
        "USER": url.username,
        "HOST": url.hostname,
        "PORT": url.port,
    }
}
