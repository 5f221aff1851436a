"""The library: what can be run. Job authors import it; it knows neither the database nor the web."""
