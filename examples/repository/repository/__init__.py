"""An example host of jobdeck: a small repository of records, run with `jobdeck --app repository:create_app up`."""

from __future__ import annotations

from flask import Flask

from jobdeck import Deck

from . import database, seed, views


def create_app() -> Flask:
    """The repository, with jobdeck's pages and API mounted on it."""
    app = Flask(__name__)
    deck = Deck(job_types=["repository.jobs"])
    deck.init_app(app)
    app.config["REPOSITORY_DATA"] = deck.settings.home / "repository"
    app.register_blueprint(views.pages)
    app.teardown_appcontext(database.close)
    deck.on_first_start(seed.first_start)
    return app
