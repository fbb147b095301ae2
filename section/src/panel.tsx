// The panel: a list of secrets, or why there is none.

import React, { useRef, useState } from 'react';

import { apply, restart } from './apply';
import { Form } from './form';
import { Import, Importing, preview } from './importing';
import { LoginLine } from './login';
import { Running, useSignal } from './host';
import { Icon } from './icons';
import { Model, asRefused, given } from './model';
import { ThisNotebook } from './notebook';
import { Button, Failed, Failure } from './parts';
import { Place, Secret } from './requests';
import { Row } from './row';
import { Sources } from './sources';
import { ReadOnly, Refusal, Unreadable, Waiting } from './states';
import { baseName, explain } from './words';

const FILTER_FROM = 8;
const UNDO_FOR = 10_000;

interface SectionProps {
  model: Model;
  /** The initial name in the form for a new secret; undefined if there is no form. */
  adding: string | null;
  setAdding: (adding: string | null) => void;
}

export function Section(props: SectionProps): JSX.Element {
  const { model, adding, setAdding } = props;
  const { host } = model;
  const { trans, language } = host;
  useSignal(model.changed);
  useSignal(model.requests.pendingChanged);
  const [said, setSaid] = useState('');
  const [filter, setFilter] = useState('');
  const [dragged, setDragged] = useState(false);
  const [wanted, setWanted] = useState<Import | null>(null);
  const [wrong, setWrong] = useState<Failure | null>(null);
  const file = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [restartable, setRestartable] = useState<Running[]>([]);
  const { listing, refused } = model;
  const writable = model.writable.length > 0;

  const stored = (name: string) =>
    setSaid(trans.__('Stored %1. New kernels will get it.', name));

  const give = async (kernels: Running[]) => {
    setSaid(trans.__('Waiting for the kernel …'));
    const applied = await apply(model, kernels, trans);
    setSaid(applied.said);
    setRestartable(applied.restartable);
  };

  const start = async (kernel: Running) => {
    try {
      if (await restart(model, kernel, trans)) {
        setRestartable(restartable.filter(({ id }) => id !== kernel.id));
        setSaid(trans.__('Restarted the kernel of %1.', baseName(kernel.path)));
      }
    } catch (cause) {
      setWrong(explain(asRefused(cause), trans));
    }
  };

  const remove = async (secret: Secret) => {
    const place = model.placeOf(secret.place);
    const named = { name: secret.name, to: secret.place };
    if (!place?.versions) {
      const agreed = await host.confirm({
        title: trans.__('Delete %1?', secret.name),
        body: trans.__(
          'This Vault keeps no versions, so the secret can’t be restored.'
        ),
        accept: trans.__('Delete')
      });
      if (!agreed) {
        return;
      }
    }
    await model.act('remove', named);
    setSaid(trans.__('Deleted %1.', secret.name));
    list.current?.querySelector<HTMLElement>('.jp-VaultSection-name')?.focus();
    if (place?.versions) {
      host.notify({
        message: trans.__('Deleted %1.', secret.name),
        autoClose: UNDO_FOR,
        action: { label: trans.__('Undo'), callback: () => void restore(named) }
      });
    }
  };

  const restore = async (named: { name: string; to: string }) => {
    try {
      await model.refresh();
      if (model.find({ name: named.name, place: named.to })) {
        // Another client stored it first; do not replace its value.
        setSaid(
          trans.__(
            '%1 was added elsewhere in the meantime, so it was not restored.',
            named.name
          )
        );
        return;
      }
      await model.act('restore', named);
      setSaid(trans.__('Restored %1.', named.name));
    } catch (cause) {
      const message = explain(asRefused(cause), trans).join('. ');
      host.notify({ message, isError: true });
    }
  };

  const take = async (files: FileList | null) => {
    const first = files?.[0];
    setWrong(null);
    if (!first || !writable) {
      return;
    }
    try {
      setWanted(await preview(model, first));
    } catch (cause) {
      setWrong(explain(asRefused(cause), trans));
    }
  };

  /** Arrow keys move between names. */
  const move = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const names = Array.from(
      list.current?.querySelectorAll<HTMLElement>('.jp-VaultSection-name') ?? []
    );
    const at = names.indexOf(event.target as HTMLElement);
    if (step && at >= 0) {
      event.preventDefault();
      names[Math.min(Math.max(at + step, 0), names.length - 1)].focus();
    }
  };

  const iconButton = (
    label: string,
    icon: React.ComponentProps<typeof Icon>['name'],
    onClick: () => void
  ) => (
    <button
      type="button"
      className="jp-Button jp-mod-minimal"
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );

  const secrets = (listing?.secrets ?? []).filter(({ name, description }) =>
    `${name} ${description}`.toLowerCase().includes(filter.toLowerCase())
  );
  const lacking = model.lacking;
  /** Whether to mention that: a team's place is often read-only, the user's own usually not. */
  const needsPolicy = (place: Place) =>
    !place.writable && (place.default || listing?.places.length === 1);

  return (
    <div
      className={dragged ? 'jp-VaultSection-drop' : ''}
      style={{ flex: 1 }}
      onDragOver={event => {
        if (event.dataTransfer.types.includes('Files')) {
          event.preventDefault();
          setDragged(true);
        }
      }}
      onDragLeave={() => setDragged(false)}
      onDrop={event => {
        event.preventDefault();
        setDragged(false);
        void take(event.dataTransfer.files);
      }}
    >
      <div className="jp-VaultSection-head">
        <h2>{trans.__('Secrets')}</h2>
        {iconButton(trans.__('Refresh'), 'refresh', () => void model.refresh())}
        {writable &&
          iconButton(trans.__('Import a .env file'), 'upload', () =>
            file.current?.click()
          )}
        {writable &&
          iconButton(trans.__('Add a secret'), 'add', () => setAdding(''))}
        <input
          ref={file}
          type="file"
          hidden
          aria-label={trans.__('A .env, JSON or YAML file')}
          onChange={event => {
            void take(event.target.files).then(() => {
              event.target.value = '';
            });
          }}
        />
      </div>
      <LoginLine {...{ model, trans, language, said: setSaid }} />
      {model.requests.pending > 0 && (
        <div
          className="jp-VaultSection-progress"
          role="progressbar"
          aria-label={trans.__('Waiting for Vault')}
        />
      )}
      <div
        className="jp-VaultSection-part jp-VaultSection-note"
        role="status"
        aria-live="polite"
      >
        {said}
      </div>
      {adding !== null && writable && (
        <Form
          key={adding}
          model={model}
          trans={trans}
          suggested={adding}
          done={name => {
            setAdding(null);
            if (name) {
              stored(name);
            }
          }}
        />
      )}
      {wanted && (
        <Importing
          wanted={wanted}
          model={model}
          trans={trans}
          done={written => {
            setWanted(null);
            if (written !== undefined) {
              setSaid(
                trans._n('Stored %1 secret.', 'Stored %1 secrets.', written)
              );
            }
          }}
        />
      )}
      {wrong && (
        <div className="jp-VaultSection-part">
          <Failed failure={wrong} />
        </div>
      )}
      {refused && (
        <Refusal {...{ model, trans, language, refused, said: setSaid }} />
      )}
      {!listing && !refused && <Waiting />}
      {listing &&
        listing.secrets.length === 0 &&
        !listing.places.some(place => place.error) &&
        adding === null &&
        !refused && (
          <div className="jp-VaultSection-part">
            {writable
              ? trans.__(
                  'No secrets yet. A secret that you add here becomes an environment variable in each of your kernels: os.environ["NAME"].'
                )
              : trans.__('No secrets yet.')}
            {writable && (
              <div className="jp-VaultSection-buttons">
                <Button
                  look="accept"
                  label={trans.__('Add a secret')}
                  onClick={() => setAdding('')}
                />
                <Button
                  label={trans.__('Import a .env file')}
                  onClick={() => file.current?.click()}
                />
              </div>
            )}
          </div>
        )}
      {lacking.length > 0 && (
        <div className="jp-VaultSection-part jp-VaultSection-note">
          {trans._n(
            '%1 running kernel does not have the latest secrets.',
            '%1 running kernels do not have the latest secrets.',
            lacking.length
          )}{' '}
          <Button
            label={trans.__('Apply')}
            onClick={() => void give(lacking.map(({ kernel }) => kernel))}
          />
        </div>
      )}
      {restartable.map(kernel => (
        <div
          key={kernel.id}
          className="jp-VaultSection-part jp-VaultSection-note"
        >
          {trans.__(
            '%1: this kernel can only get secrets when it starts.',
            baseName(kernel.path)
          )}{' '}
          {host.restart ? (
            <Button
              label={trans.__('Restart kernel')}
              onClick={() => void start(kernel)}
            />
          ) : (
            trans.__('Restart it where you started it.')
          )}
        </div>
      ))}
      {listing && listing.secrets.length >= FILTER_FROM && (
        <div className="jp-VaultSection-part">
          <input
            type="search"
            aria-label={trans.__('Filter')}
            placeholder={trans.__('filter…')}
            value={filter}
            onChange={event => setFilter(event.target.value)}
          />
        </div>
      )}
      <div ref={list} onKeyDown={move}>
        {(listing?.places ?? []).map(place => {
          const here = secrets.filter(({ place: at }) => at === place.source);
          return (
            (here.length > 0 || place.error || needsPolicy(place)) && (
              <section key={place.source} aria-label={place.source}>
                <h3 title={place.source}>
                  {place.default ? trans.__('Mine') : place.source}
                  {!place.writable && ` ${trans.__('(read only)')}`}
                </h3>
                {!place.versions && (
                  <div className="jp-VaultSection-part jp-VaultSection-note">
                    {trans.__('This Vault keeps no versions.')}
                  </div>
                )}
                {place.error && (
                  <Unreadable {...{ error: place.error, host }} />
                )}
                {!place.error && needsPolicy(place) && (
                  <ReadOnly {...{ place, host }} />
                )}
                <ul>
                  {here.map(secret => (
                    <Row
                      key={secret.source + secret.name}
                      secret={secret}
                      versions={place.versions}
                      writable={place.writable}
                      off={
                        model.current !== null &&
                        model.isOff(secret.name, model.current.path)
                      }
                      behind={model.running.filter(kernel => {
                        const has = given(secret, kernel);
                        return (
                          has !== undefined &&
                          has !== secret.version &&
                          !model.isOff(secret.name, kernel.path)
                        );
                      })}
                      model={model}
                      trans={trans}
                      language={language}
                      actions={{ remove, apply: give, said: setSaid, stored }}
                    />
                  ))}
                </ul>
              </section>
            )
          );
        })}
        <Sources {...{ model, trans, said: setSaid }} />
        <ThisNotebook {...{ model, trans, said: setSaid, apply: give }} />
      </div>
    </div>
  );
}
