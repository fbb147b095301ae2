"""`jupyter vault ui`: the Secrets section as a separate page, without JupyterLab.

The page is a second build of the section; requests are handled by the section's code. This package replaces JupyterLab
and its server: a small tornado server with access checks. The page has its own dialogs and notifications.

Protection against other users and sites:

- the listener: 127.0.0.1, only for peers whose process belongs to this user (`peers`); or a 0600 socket;
- the Host of each request: other host names that resolve to this machine are refused (`guard`);
- a cookie that the browser sends only from this page, in exchange for a token that works once (`session`);
- the Origin and the content type of an action, which a form of another page can't have;
- a content policy: the page loads files from this server only, and sends requests only to it.
"""
