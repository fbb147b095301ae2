// The panel: a list of secrets, or what keeps it from being one.

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  ReactWidget,
  UseSignal,
  addIcon,
  fileUploadIcon,
  refreshIcon
} from '@jupyterlab/ui-components';
import React, { useRef, useState } from 'react';

import { Form } from './form';
import { Import, Importing, preview } from './importing';
import { Model, Running, asRefused, given } from './model';
import { Secret } from './requests';
import { Row } from './row';
import { Refusal, Waiting } from './states';
import { baseName, explain } from './words';

const FILTER_FROM = 8;
const UNDO_FOR = 10_000;

/** The widget in JupyterLab's side bar. */
export class SecretsPanel extends ReactWidget {
  constructor(
    private readonly model: Model,
    private readonly trans: TranslationBundle,
    private readonly language: string
  ) {
    super();
    this.addClass('jp-VaultSection');
  }

  /** Opens the form for a new secret. */
  add(): void {
    this.adding = true;
    this.update();
  }

  protected onAfterShow(): void {
    this.model.show(true);
  }

  protected onAfterHide(): void {
    this.model.show(false);
  }

  protected render(): JSX.Element {
    const adding = this.adding;
    const setAdding = (adding: boolean) => {
      this.adding = adding;
      this.update();
    };
    const { model, trans, language } = this;
    return (
      <UseSignal signal={model.changed}>
        {() => <Section {...{ model, trans, language, adding, setAdding }} />}
      </UseSignal>
    );
  }

  private adding = false;
}

interface SectionProps {
  model: Model;
  trans: TranslationBundle;
  language: string;
  adding: boolean;
  setAdding: (adding: boolean) => void;
}

/** Gives `kernels` what they lack, one after another; says what became of it. */
export async function apply(
  model: Model,
  kernels: Running[],
  trans: TranslationBundle
): Promise<string> {
  const said: string[] = [];
  for (const kernel of kernels) {
    const name = baseName(kernel.path);
    try {
      await model.requests.order('apply', { kernel: kernel.id });
      said.push(trans.__('%1 has them.', name));
    } catch (cause) {
      said.push(`${name}: ${explain(asRefused(cause), trans).join('. ')}`);
    }
  }
  await model.refresh();
  return said.join(' ');
}

function Section(props: SectionProps): JSX.Element {
  const { model, trans, language, adding, setAdding } = props;
  const [said, setSaid] = useState('');
  const [filter, setFilter] = useState('');
  const [dragged, setDragged] = useState(false);
  const [wanted, setWanted] = useState<Import | null>(null);
  const [wrong, setWrong] = useState<[string, string] | null>(null);
  const file = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const { listing, refused } = model;
  const writable = (listing?.places.length ?? 0) > 0;

  const stored = (name: string) =>
    setSaid(trans.__('%1 is stored. New kernels have it.', name));

  const give = async (kernels: Running[]) => {
    setSaid(trans.__('The kernel is asked …'));
    setSaid(await apply(model, kernels, trans));
  };

  const remove = async (secret: Secret) => {
    const place = model.listing?.places.find(
      place => place.source === secret.place
    );
    const named = { name: secret.name, to: secret.place };
    if (!place?.versions) {
      const answer = await showDialog({
        title: trans.__('Delete %1?', secret.name),
        body: trans.__('This Vault keeps no versions: it can’t be restored.'),
        buttons: [
          Dialog.cancelButton(),
          Dialog.warnButton({ label: trans.__('Delete') })
        ]
      });
      if (!answer.button.accept) {
        return;
      }
    }
    await model.order('remove', named);
    setSaid(trans.__('%1 is deleted.', secret.name));
    list.current?.querySelector<HTMLElement>('.jp-VaultSection-name')?.focus();
    if (place?.versions) {
      Notification.info(trans.__('%1 is deleted.', secret.name), {
        autoClose: UNDO_FOR,
        actions: [
          {
            label: trans.__('Undo'),
            callback: () => void restore(named)
          }
        ]
      });
    }
  };

  const restore = async (named: { name: string; to: string }) => {
    try {
      await model.order('restore', named);
      setSaid(trans.__('%1 is there again.', named.name));
    } catch (cause) {
      Notification.error(explain(asRefused(cause), trans).join('. '));
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

  /** Arrow keys go from name to name. */
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
    icon: typeof addIcon,
    onClick: () => void
  ) => (
    <button
      type="button"
      className="jp-Button jp-mod-minimal"
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      <icon.react tag="span" />
    </button>
  );

  const secrets = (listing?.secrets ?? []).filter(({ name, description }) =>
    `${name} ${description}`.toLowerCase().includes(filter.toLowerCase())
  );
  const lacking = model.lacking;

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
        {iconButton(
          trans.__('Refresh'),
          refreshIcon,
          () => void model.refresh()
        )}
        {writable &&
          iconButton(trans.__('Import a .env'), fileUploadIcon, () =>
            file.current?.click()
          )}
        {writable &&
          iconButton(trans.__('Add a secret'), addIcon, () => setAdding(true))}
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
      <div
        className="jp-VaultSection-part jp-VaultSection-note"
        role="status"
        aria-live="polite"
      >
        {said}
      </div>
      {adding && (
        <Form
          model={model}
          trans={trans}
          done={name => {
            setAdding(false);
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
                trans._n(
                  '%1 secret is stored.',
                  '%1 secrets are stored.',
                  written
                )
              );
            }
          }}
        />
      )}
      {wrong && (
        <div className="jp-VaultSection-part" role="alert">
          <div>{wrong[0]}</div>
          <div>{wrong[1]}</div>
        </div>
      )}
      {refused && <Refusal model={model} trans={trans} refused={refused} />}
      {!listing && !refused && <Waiting />}
      {listing && listing.secrets.length === 0 && !adding && !refused && (
        <div className="jp-VaultSection-part">
          {trans.__(
            'No secrets yet. What you add here is an environment variable in each of your kernels: os.environ["NAME"].'
          )}
          <div className="jp-VaultSection-buttons">
            <button
              className="jp-mod-styled jp-mod-accept"
              onClick={() => setAdding(true)}
            >
              {trans.__('Add a secret')}
            </button>
            <button
              className="jp-mod-styled"
              onClick={() => file.current?.click()}
            >
              {trans.__('Import a .env')}
            </button>
          </div>
        </div>
      )}
      {lacking.length > 0 && (
        <div className="jp-VaultSection-part jp-VaultSection-note">
          {trans._n(
            '%1 running kernel lacks the latest.',
            '%1 running kernels lack the latest.',
            lacking.length
          )}{' '}
          <button
            className="jp-mod-styled"
            onClick={() => void give(lacking.map(({ kernel }) => kernel))}
          >
            {trans.__('Apply')}
          </button>
        </div>
      )}
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
            here.length > 0 && (
              <section key={place.source} aria-label={place.source}>
                <h3 title={place.source}>
                  {place.default ? trans.__('Mine') : place.source}
                </h3>
                {!place.versions && (
                  <div className="jp-VaultSection-part jp-VaultSection-note">
                    {trans.__('This Vault keeps no versions.')}
                  </div>
                )}
                <ul>
                  {here.map(secret => (
                    <Row
                      key={secret.source + secret.name}
                      secret={secret}
                      versions={place.versions}
                      behind={model.running.filter(kernel => {
                        const has = given(secret, kernel);
                        return has !== undefined && has !== secret.version;
                      })}
                      model={model}
                      trans={trans}
                      language={language}
                      orders={{ remove, apply: give, said: setSaid, stored }}
                    />
                  ))}
                </ul>
              </section>
            )
          );
        })}
        {listing && listing.fixed.length > 0 && (
          <section aria-label={trans.__('Data sources')}>
            <h3>{trans.__('Data sources')}</h3>
            <ul>
              {listing.fixed.map(({ source, what }) => (
                <li key={source} className="jp-VaultSection-note">
                  {`${source}: ${what}`}
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </div>
  );
}
