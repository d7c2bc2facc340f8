"""Experts in the loop: browser pages in which people make zone decisions and correct maps, with store and HTTP server.

`editing` has the exact arithmetic of one person's work, `store` the database, `server` the HTTP interface, `pages` what
the browser gets, `quality` the statistics of agreement, `exchange` other programs' formats.
"""
