"""`jupyter vault ui`: the Secrets section as a separate page, without JupyterLab.

The page is the section's own source, built a second time; the orders and the way to the program are the section's
too. What JupyterLab and its server give the section stands here: a small server (tornado's), who may speak to it,
and the stand-ins for dialogs and notifications in the page itself.

A page that changes secrets is worth an attack. What keeps others out, from the outside in:

- the listener: 127.0.0.1, and there a peer whose process is this user's (`peers`); or a 0600 socket;
- the Host of each request, against names that lead here from elsewhere (`guard`);
- a cookie that the browser sends from this page alone, got for a token that works once (`session`);
- the Origin and the content type of an order, which no form of another page can have;
- a policy that lets the page load and send nothing but what is here.
"""
