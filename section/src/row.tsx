// One secret: its name, version and age, and its actions.

import { TranslationBundle } from '@jupyterlab/translation';
import React, { useRef, useState } from 'react';

import { Form } from './form';
import { Running } from './host';
import { Model, asRefused, given } from './model';
import { Button, Dialog, Failed, Failure } from './parts';
import { Secret, Version } from './requests';
import { age, baseName, explain, visible } from './words';

/** The panel's actions that a row can call. */
export interface Actions {
  remove: (secret: Secret) => Promise<void>;
  apply: (kernels: Running[]) => Promise<void>;
  said: (sentence: string) => void;
  stored: (name: string) => void;
}

interface RowProps {
  secret: Secret;
  versions: boolean;
  /** Whether the policy allows changing it. */
  writable: boolean;
  /** Whether it is withheld from the current notebook. */
  off: boolean;
  /** Kernels that have a different version. */
  behind: Running[];
  model: Model;
  trans: TranslationBundle;
  language: string;
  actions: Actions;
}

type Open = 'nothing' | 'actions' | 'replace' | 'describe' | 'versions';

export function Row(props: RowProps): JSX.Element {
  const { secret, versions, writable, off, behind } = props;
  const { model, trans, language, actions } = props;
  const [open, setOpen] = useState<Open>('nothing');
  const [history, setHistory] = useState<Version[]>([]);
  const [wrong, setWrong] = useState<Failure | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const text = useRef<HTMLInputElement>(null);

  const close = () => {
    setOpen('nothing');
    setWrong(null);
    button.current?.focus();
  };
  const attempt = async (work: () => Promise<void>) => {
    setWrong(null);
    try {
      await work();
    } catch (cause) {
      setWrong(explain(asRefused(cause), trans));
    }
  };
  const named = { name: secret.name, to: secret.place };

  const describe = () =>
    attempt(async () => {
      const description = text.current?.value ?? '';
      await model.act('describe', { ...named, description });
      actions.said(trans.__('Saved the description of %1.', secret.name));
      close();
    });
  const look = () =>
    attempt(async () => {
      const said = await model.requests.act('versions', named);
      setHistory((said as { versions: Version[] }).versions);
      setOpen('versions');
    });
  const restore = (version: number) =>
    attempt(async () => {
      await model.act('restore', { ...named, version });
      actions.said(trans.__('Restored v%1 of %2.', version, secret.name));
      close();
    });

  const onKeyDown = (event: React.KeyboardEvent) => {
    const element = event.target as HTMLElement;
    if (event.key === 'Escape' && open !== 'nothing') {
      event.stopPropagation();
      close();
    } else if (
      event.key === 'Delete' &&
      element === button.current &&
      writable
    ) {
      void attempt(() => actions.remove(secret));
    }
  };

  const about = [
    secret.version === null ? '' : `v${secret.version}`,
    age(secret.time, language),
    off ? trans.__('off in this notebook') : ''
  ]
    .filter(part => part)
    .join(' · ');

  return (
    <li onKeyDown={onKeyDown} data-secret={secret.name}>
      <button
        ref={button}
        type="button"
        className="jp-VaultSection-name"
        aria-expanded={open !== 'nothing'}
        aria-label={`${secret.name} ${about}`}
        title={`${secret.name} (${secret.source})`}
        onClick={() => (open === 'nothing' ? setOpen('actions') : close())}
      >
        <MiddleShortened name={secret.name} />{' '}
        <span className="jp-VaultSection-note">{about}</span>
      </button>
      {secret.description && (
        <div className="jp-VaultSection-note">{secret.description}</div>
      )}
      {behind.map(kernel => (
        <div key={kernel.id} className="jp-VaultSection-note">
          {trans.__(
            '%1 has v%2, Vault has v%3.',
            baseName(kernel.path),
            given(secret, kernel) ?? 0,
            secret.version ?? 0
          )}{' '}
          <Button
            label={trans.__('Apply now')}
            onClick={() => void actions.apply([kernel])}
          />
        </div>
      ))}
      {open !== 'nothing' && (
        <div
          className="jp-VaultSection-buttons"
          role="group"
          aria-label={trans.__('Actions for %1', secret.name)}
        >
          {writable && (
            <Button
              label={trans.__('Replace')}
              onClick={() => setOpen('replace')}
            />
          )}
          {writable && versions && (
            <Button
              label={trans.__('Describe')}
              onClick={() => setOpen('describe')}
            />
          )}
          {versions && (
            <Button label={trans.__('Versions')} onClick={() => void look()} />
          )}
          {writable && (
            <Button
              look="warn"
              label={trans.__('Delete')}
              onClick={() => void attempt(() => actions.remove(secret))}
            />
          )}
        </div>
      )}
      {open === 'replace' && (
        <Form
          model={model}
          trans={trans}
          replaced={secret}
          done={name => {
            close();
            if (name) {
              actions.stored(name);
            }
          }}
        />
      )}
      {open === 'describe' && (
        <Dialog
          trans={trans}
          label={trans.__('Description of %1', secret.name)}
          accept={trans.__('Save')}
          failure={wrong}
          submit={describe}
          cancel={close}
        >
          <label>
            {trans.__('Description')}
            <input
              ref={text}
              type="text"
              maxLength={300}
              defaultValue={secret.description}
            />
          </label>
        </Dialog>
      )}
      {open === 'versions' && (
        <ul aria-label={trans.__('Versions of %1', secret.name)}>
          {history.map(version => (
            <li key={version.version} className="jp-VaultSection-note">
              {`v${version.version} · ${age(version.time, language)} · ${version.change} `}
              {writable &&
                version.change === 'set' &&
                version.version !== secret.version && (
                  <Button
                    label={trans.__('Restore v%1', version.version)}
                    onClick={() => void restore(version.version)}
                  />
                )}
            </li>
          ))}
        </ul>
      )}
      {open !== 'describe' && <Failed failure={wrong} />}
    </li>
  );
}

/** How many characters at a name's end are never cut. */
const TAIL = 8;

/** A name that is shortened in its middle if the panel is narrow. */
function MiddleShortened({ name }: { name: string }): JSX.Element {
  const text = visible(name);
  const tail = text.length > 2 * TAIL ? TAIL : 0;
  return (
    <span className="jp-VaultSection-short">
      <span>{text.slice(0, text.length - tail)}</span>
      {tail > 0 && <span>{text.slice(-tail)}</span>}
    </span>
  );
}
