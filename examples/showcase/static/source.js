// The handlers' own source, fetched from the running app and coloured a little.

const TOKEN = /(?<comment>#[^\n]*)|(?<string>"""[\s\S]*?"""|"[^"\n]*")|(?<mark>@[\w.]+)|\b(?<word>async|await|case|def|finally|for|if|in|match|return|try|while|yield|None|True|False)\b/g;

function coloured(source) {
  const parts = [];
  let done = 0;
  for (const token of source.matchAll(TOKEN)) {
    const [kind] = Object.entries(token.groups).find(([, text]) => text !== undefined);
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = token[0];
    parts.push(source.slice(done, token.index), span);
    done = token.index + token[0].length;
  }
  return [...parts, source.slice(done)];
}

async function fetchSource(name) {
  const answer = await fetch(`/source/${name}`);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return (await answer.text()).trimEnd();
}

async function show(figure) {
  const code = figure.querySelector("code");
  try {
    code.replaceChildren(...coloured(await fetchSource(figure.dataset.source)));
  } catch (error) {
    code.textContent = `The source could not be read: ${error.message}`;
  }
}

export const showSources = () => document.querySelectorAll("[data-source]").forEach(show);
