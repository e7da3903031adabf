"""Takes on the tasks of an application that is there already: they run as they did, and each has a row that settles."""
