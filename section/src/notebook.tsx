// Which secrets the current notebook gets: a switch for each.

import { TranslationBundle } from '@jupyterlab/translation';
import React, { useState } from 'react';

import { Running } from './host';
import { Model, asRefused } from './model';
import { Button, Failed, Failure } from './parts';
import { baseName, explain } from './words';

interface ThisNotebookProps {
  model: Model;
  trans: TranslationBundle;
  said: (sentence: string) => void;
  apply: (kernels: Running[]) => Promise<void>;
}

export function ThisNotebook(props: ThisNotebookProps): JSX.Element | null {
  const { model, trans, said, apply } = props;
  const [open, setOpen] = useState(false);
  const [wrong, setWrong] = useState<Failure | null>(null);
  const { current, listing } = model;
  const names = Array.from(
    new Set(listing?.secrets.map(({ name }) => name))
  ).sort();
  if (!current || names.length === 0) {
    return null;
  }
  const notebook = baseName(current.path);
  const off = names.filter(name => model.isOff(name, current.path));
  const surplus = model.surplus(current);

  const turn = async (name: string, on: boolean) => {
    setWrong(null);
    try {
      await model.act('switch', { path: current.path, name, on });
      said(
        on
          ? trans.__(
              '%1 will get %2 when its kernel next starts.',
              notebook,
              name
            )
          : trans.__(
              '%1 will not get %2 when its kernel next starts.',
              notebook,
              name
            )
      );
    } catch (cause) {
      setWrong(explain(asRefused(cause), trans));
    }
  };

  return (
    <section
      className="jp-VaultSection-notebook"
      aria-label={trans.__('This notebook')}
    >
      <h3>{trans.__('This notebook')}</h3>
      <div className="jp-VaultSection-part jp-VaultSection-note">
        {off.length === 0
          ? trans.__('%1 gets all of these secrets.', notebook)
          : trans.__('%1 does not get %2.', notebook, off.join(', '))}{' '}
        <Button
          label={open ? trans.__('Close') : trans.__('Change…')}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        />
      </div>
      {surplus.length > 0 && (
        <div className="jp-VaultSection-part jp-VaultSection-note">
          {trans.__(
            'Its kernel still has %1.',
            surplus.map(({ name }) => name).join(', ')
          )}{' '}
          <Button
            label={trans.__('Remove now')}
            onClick={() => void apply([current])}
          />
        </div>
      )}
      {open && (
        <ul aria-label={trans.__('Secrets that %1 gets', notebook)}>
          {names.map(name => (
            <li key={name}>
              <label className="jp-VaultSection-beside">
                <input
                  type="checkbox"
                  role="switch"
                  checked={!off.includes(name)}
                  onChange={event => void turn(name, event.target.checked)}
                />
                <span>{name}</span>
              </label>
            </li>
          ))}
        </ul>
      )}
      <Failed failure={wrong} />
    </section>
  );
}
