// The form for a new secret or a new value. The value is only in the form's input element, never in the page's state,
// and is removed from the element once it is stored or the form is cancelled.

import { TranslationBundle } from '@jupyterlab/translation';
import React, { useEffect, useRef, useState } from 'react';

import { Model, asRefused } from './model';
import { Button, Dialog, Failure } from './parts';
import { Secret } from './requests';
import { age, explain } from './words';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const KINDS = ['generic', 'password', 'key', 'token'];

interface FormProps {
  model: Model;
  trans: TranslationBundle;
  /** The secret whose value is replaced; none for a new one. */
  replaced?: Secret;
  /** The initial name of a new secret. */
  suggested?: string;
  /** Called when the form is closed, with the name if the secret was stored. */
  done: (name?: string) => void;
}

/** The program's exit code for a secret that was changed since its user saw it. */
const CHANGED = 87;

export function Form(props: FormProps): JSX.Element {
  const { model, trans, replaced, suggested, done } = props;
  const [name, setName] = useState(replaced?.name ?? suggested ?? '');
  const [to, setTo] = useState(model.place?.source);
  const [seen, setSeen] = useState(false);
  const [wrong, setWrong] = useState<Failure | null>(null);
  const [changed, setChanged] = useState(false);
  // Only the version that the user has seen may be replaced.
  const [shown] = useState(replaced?.version);
  const [busy, setBusy] = useState(false);
  const value = useRef<HTMLTextAreaElement>(null);
  const description = useRef<HTMLInputElement>(null);
  const kind = useRef<HTMLSelectElement>(null);
  const first = useRef<HTMLInputElement>(null);

  useEffect(() => {
    (suggested ? value.current : (first.current ?? value.current))?.focus();
  }, []);

  const place = replaced?.place ?? to;
  const versions = place ? model.placeOf(place)?.versions : false;
  const taken = !replaced && place ? model.find({ name, place }) : undefined;
  const odd = name !== '' && !NAME.test(name);

  const end = (stored?: string) => {
    if (value.current) {
      value.current.value = '';
    }
    done(stored);
  };

  const now = place ? model.find({ name, place }) : undefined;

  const store = async (expected = replaced ? shown : (taken?.version ?? 0)) => {
    const text = value.current?.value ?? '';
    if (!name || !text) {
      setWrong([trans.__('Enter a name and a value.'), '']);
      return;
    }
    setBusy(true);
    setWrong(null);
    setChanged(false);
    try {
      const content: Record<string, string | number> = { name, value: text };
      if (versions && typeof expected === 'number') {
        content.expect_version = expected;
      }
      if (place) {
        content.to = place;
      }
      if (!replaced && versions && description.current?.value) {
        content.description = description.current.value;
      }
      if (!replaced && versions && kind.current) {
        content.kind = kind.current.value;
      }
      await model.act('set', content);
      end(name);
    } catch (cause) {
      const refused = asRefused(cause);
      if (refused.by === 'program' && refused.code === CHANGED) {
        await model.refresh();
        setChanged(true);
      } else {
        setWrong(explain(refused, trans));
      }
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog
      trans={trans}
      label={
        replaced
          ? trans.__('New value for %1', replaced.name)
          : trans.__('New secret')
      }
      accept={replaced ? trans.__('Replace') : trans.__('Add')}
      disabled={busy}
      failure={wrong}
      submit={() => store()}
      cancel={() => end()}
      beside={busy && <span>{trans.__('Waiting for Vault …')}</span>}
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
            'For a shell, a name may only contain letters, digits and _, and must not begin with a digit.'
          )}
        {taken &&
          (taken.version === null
            ? trans.__('This replaces the existing value.')
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
      {!replaced && model.writable.length > 1 && (
        <label>
          {trans.__('Store in')}
          <select value={to} onChange={event => setTo(event.target.value)}>
            {model.writable.map(({ source, default: own }) => (
              <option key={source} value={source}>
                {own ? trans.__('Mine') : source}
              </option>
            ))}
          </select>
        </label>
      )}
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
      {changed && (
        <div className="jp-VaultSection-wrong" role="alert">
          {now
            ? trans.__(
                '%1 was changed elsewhere (v%2, %3).',
                name,
                now.version ?? 0,
                age(now.time, document.documentElement.lang || 'en')
              )
            : trans.__('%1 was deleted elsewhere.', name)}
          <div className="jp-VaultSection-buttons">
            <Button
              look="warn"
              label={
                now
                  ? trans.__('Replace v%1', now.version ?? 0)
                  : trans.__('Add it again')
              }
              onClick={() => void store(now?.version ?? 0)}
            />
            <Button
              label={
                now
                  ? trans.__('Keep v%1', now.version ?? 0)
                  : trans.__('Leave it deleted')
              }
              onClick={() => end()}
            />
          </div>
        </div>
      )}
    </Dialog>
  );
}
