// The form for a new secret, or for another value of one. The value stays in the form's own element, never in the
// state of the page, and leaves the element when it was stored or given up.

import { TranslationBundle } from '@jupyterlab/translation';
import React, { useEffect, useRef, useState } from 'react';

import { Model, asRefused } from './model';
import { Secret } from './requests';
import { explain } from './words';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const KINDS = ['generic', 'password', 'key', 'token'];

interface FormProps {
  model: Model;
  trans: TranslationBundle;
  /** The secret whose value is replaced; none for a new one. */
  replaced?: Secret;
  /** Called at the end, with the name if it was stored. */
  done: (name?: string) => void;
}

export function Form({ model, trans, replaced, done }: FormProps): JSX.Element {
  const [name, setName] = useState(replaced?.name ?? '');
  const [seen, setSeen] = useState(false);
  const [wrong, setWrong] = useState<[string, string] | null>(null);
  const [changed, setChanged] = useState(false);
  const [busy, setBusy] = useState(false);
  const value = useRef<HTMLTextAreaElement>(null);
  const description = useRef<HTMLInputElement>(null);
  const kind = useRef<HTMLSelectElement>(null);
  const first = useRef<HTMLInputElement>(null);

  useEffect(() => {
    (first.current ?? value.current)?.focus();
  }, []);

  const place = replaced?.place ?? model.place?.source;
  const versions = model.listing?.places.find(
    other => other.source === place
  )?.versions;
  const taken = !replaced && place ? model.find({ name, place }) : undefined;
  const odd = name !== '' && !NAME.test(name);

  const end = (stored?: string) => {
    if (value.current) {
      value.current.value = '';
    }
    done(stored);
  };

  const store = async (although: boolean) => {
    const text = value.current?.value ?? '';
    if (!name || !text) {
      setWrong([trans.__('A secret has a name and a value.'), '']);
      return;
    }
    setBusy(true);
    setWrong(null);
    try {
      if (replaced && !although && (await model.hasChanged(replaced))) {
        setChanged(true);
        return;
      }
      const content: Record<string, string> = { name, value: text };
      if (place) {
        content.to = place;
      }
      if (!replaced && versions && description.current?.value) {
        content.description = description.current.value;
      }
      if (!replaced && versions && kind.current) {
        content.kind = kind.current.value;
      }
      await model.order('set', content);
      end(name);
    } catch (cause) {
      setWrong(explain(asRefused(cause), trans));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      aria-label={
        replaced
          ? trans.__('Another value for %1', replaced.name)
          : trans.__('A new secret')
      }
      autoComplete="off"
      onSubmit={event => {
        event.preventDefault();
        void store(false);
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          end();
        }
      }}
    >
      {!replaced && (
        <label>
          {trans.__('Name')}
          <input
            ref={first}
            type="text"
            value={name}
            spellCheck={false}
            autoCapitalize="off"
            aria-describedby="jp-VaultSection-of-name"
            onChange={event => setName(event.target.value.trim())}
          />
        </label>
      )}
      <div id="jp-VaultSection-of-name" className="jp-VaultSection-note">
        {odd &&
          trans.__(
            'A shell takes only names of letters, digits and _, which begin with no digit.'
          )}
        {taken &&
          (taken.version === null
            ? trans.__('This replaces the value that is there.')
            : trans.__('This replaces v%1.', taken.version))}
      </div>
      <label>
        {trans.__('Value')}
        <textarea
          ref={value}
          className={seen ? '' : 'jp-VaultSection-masked'}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          data-gramm="false"
        />
      </label>
      <label className="jp-VaultSection-beside">
        <input
          type="checkbox"
          checked={seen}
          onChange={event => setSeen(event.target.checked)}
        />
        {trans.__('Show while typing')}
      </label>
      {!replaced && versions && (
        <>
          <label>
            {trans.__('Description')}
            <input ref={description} type="text" maxLength={300} />
          </label>
          <label>
            {trans.__('Kind')}
            <select ref={kind}>
              {KINDS.map(name => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        </>
      )}
      {changed && replaced && (
        <div className="jp-VaultSection-wrong" role="alert">
          {trans.__('%1 was changed elsewhere meanwhile.', replaced.name)}
          <div className="jp-VaultSection-buttons">
            <button
              type="button"
              className="jp-mod-styled jp-mod-warn"
              onClick={() => void store(true)}
            >
              {trans.__('Replace it all the same')}
            </button>
            <button
              type="button"
              className="jp-mod-styled"
              onClick={() => end()}
            >
              {trans.__('Keep what is there')}
            </button>
          </div>
        </div>
      )}
      {wrong && (
        <div className="jp-VaultSection-wrong" role="alert">
          <div>{wrong[0]}</div>
          <div>{wrong[1]}</div>
        </div>
      )}
      <div className="jp-VaultSection-buttons">
        <button
          type="submit"
          className="jp-mod-styled jp-mod-accept"
          disabled={busy}
        >
          {replaced ? trans.__('Replace') : trans.__('Add')}
        </button>
        <button type="button" className="jp-mod-styled" onClick={() => end()}>
          {trans.__('Cancel')}
        </button>
        {busy && <span>{trans.__('Vault is asked …')}</span>}
      </div>
    </form>
  );
}
