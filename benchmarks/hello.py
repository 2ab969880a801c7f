"""The peer of a JSON answer: the smallest Flask application, which neither asks who calls nor reads anything."""

from flask import Flask

app = Flask("hello")


@app.get("/")
def hello() -> dict[str, str]:
    """Greet."""
    return {"hello": "world"}
