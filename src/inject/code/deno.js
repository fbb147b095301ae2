((put, keep, unset, until) => {
  if (Date.now() / 1000 >= until) return;
  try {
    const kept = keep.filter((name) => Deno.env.get(name) !== undefined);
    const given = JSON.parse(prompt(JSON.stringify(kept)));
    for (const name of unset) Deno.env.delete(name);
    for (const name of put) if (!kept.includes(name)) Deno.env.set(name, given[name]);
  } catch (cause) {
    prompt(cause instanceof Error ? cause.name : "error");
  }
})
