"""`jupyter vault ui`: the Secrets section as a separate page, without JupyterLab.

The page is built from the section's own source, and its orders run the program as the section's do. This package replaces
the parts that JupyterLab and its server provide: a small tornado server with access checks. The page itself has its own
dialogs and notifications.

A page that changes secrets is worth an attack. These checks keep others out, from the outside in:

- the listener: 127.0.0.1, and only for peers whose process belongs to this user (`peers`); or a 0600 socket;
- the Host of each request, against other host names that resolve to this machine (`guard`);
- a cookie that the browser sends only from this page, in exchange for a token that works once (`session`);
- the Origin and the content type of an order, which no form of another page can have;
- a content policy that lets the page load files from, and send requests to, only this server.
"""
