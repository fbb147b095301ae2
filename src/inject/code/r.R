function(put, keep, unset, until) {
  if (as.numeric(Sys.time()) >= until) return()
  bytes <- function(text) {
    text <- enc2utf8(text)
    Encoding(text) <- "unknown"
    text
  }
  failed <- tryCatch({
    # Sys.getenv of no name at all gives every variable.
    kept <- Filter(function(name) !is.na(Sys.getenv(bytes(name), NA)), keep)
    given <- jsonlite::fromJSON(readline(as.character(jsonlite::toJSON(kept))), simplifyVector = FALSE)
    if (length(unset)) Sys.unsetenv(bytes(unset))
    given <- given[setdiff(put, kept)]
    names(given) <- bytes(names(given))
    given <- lapply(given, bytes)
    if (length(given)) do.call(Sys.setenv, given)
    was_set <- mapply(function(name, value) identical(bytes(Sys.getenv(name)), value), names(given), given)
    if (all(was_set)) NULL else "encoding"
  }, error = function(cause) class(cause)[1], interrupt = function(cause) "interrupt")
  if (!is.null(failed)) readline(failed)
}
