function __jupyter_vault__ (file, ending)
  if (time () >= ending) return; end
  try
    id = fopen (file, "r"); text = fread (id, Inf, "uint8=>char")'; fclose (id); unlink (file);
    records = ostrsplit (text, "\0"); kept = "";
    for at = 1:3:numel (records) - 3
      name = records{at + 1};
      if (strcmp (records{at}, "-")) unsetenv (name);
      elseif (strcmp (records{at}, "?") && ! isempty (getenv (name))) kept = [kept name "\0"];
      else setenv (name, records{at + 2}); end
    end
    id = fopen ([file ".done"], "w"); fwrite (id, kept); fclose (id);
    lines = history (); ours = strncmp (lines, "function __jupyter_vault__", 26);
    id = fopen ([file ".part"], "w"); fprintf (id, "%s\n", lines{1:find (ours)(end) - 1}); fclose (id);
    history ("-c"); history ("-r", [file ".part"]); unlink ([file ".part"]);
  catch
  end
end
__jupyter_vault__ (FILE, UNTIL); clear -f __jupyter_vault__
