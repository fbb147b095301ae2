// The page of `jupyter vault ui`: the section, with a choice of the notebook for its switches.

import React, { useEffect, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { Notice, useSignal } from '../host';
import { Model } from '../model';
import { Section } from '../panel';
import { Button } from '../parts';
import { baseName } from '../words';
import { Asked, PageHost } from './host';

interface PageProps {
  host: PageHost;
  model: Model;
}

function Page({ host, model }: PageProps): JSX.Element {
  const [adding, setAdding] = useState<string | null>(null);
  useSignal(host.changed);
  return (
    <>
      <main>
        <h1>jupyter-vault</h1>
        <div id="jupyter-vault-secrets" className="jp-VaultSection">
          <Section {...{ model, adding, setAdding }} />
          <Notebooks model={model} />
        </div>
      </main>
      <section className="page-notices" aria-label="Notices" role="status">
        {host.notices.map((notice, at) => (
          <Said key={at} notice={notice} host={host} />
        ))}
      </section>
      {host.asked && <Confirm asked={host.asked} />}
    </>
  );
}

/** The choice of the notebook for the switches; absent if no notebook's kernel is running. */
function Notebooks({ model }: { model: Model }): JSX.Element | null {
  useSignal(model.changed);
  const running = model.running.filter(({ notebook }) => notebook);
  if (running.length === 0) {
    return null;
  }
  return (
    <label className="jp-VaultSection-part">
      Switches for the notebook
      <select
        value={model.current?.id ?? ''}
        onChange={event => {
          const { value } = event.target;
          model.setCurrent(running.find(({ id }) => id === value) ?? null);
        }}
      >
        <option value="">(none)</option>
        {running.map(({ id, path }) => (
          <option key={id} value={id} title={path}>
            {baseName(path)}
          </option>
        ))}
      </select>
    </label>
  );
}

function Said({ notice, host }: { notice: Notice; host: PageHost }) {
  const close = () => host.dismiss(notice);
  const { message, action, isError } = notice;
  return (
    <div className={isError ? 'page-notice page-wrong' : 'page-notice'}>
      {message}
      <div className="jp-VaultSection-buttons">
        {action && (
          <Button
            look="accept"
            label={action.label}
            onClick={() => {
              close();
              action.callback();
            }}
          />
        )}
        <Button label="Close" onClick={close} />
      </div>
    </div>
  );
}

/** The browser's dialog element, which keeps the focus inside and closes on Escape. */
function Confirm({ asked }: { asked: Asked }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), [asked]);
  return (
    <dialog
      ref={dialog}
      aria-label={asked.title}
      onCancel={() => asked.answer(false)}
    >
      <h2>{asked.title}</h2>
      <p>{asked.body}</p>
      <div className="jp-VaultSection-buttons">
        <Button label="Cancel" autoFocus onClick={() => asked.answer(false)} />
        <Button
          look="warn"
          label={asked.accept}
          onClick={() => asked.answer(true)}
        />
      </div>
    </dialog>
  );
}

async function begin(root: HTMLElement): Promise<void> {
  const host = new PageHost();
  await host.begin();
  const model = new Model(host);
  createRoot(root).render(<Page host={host} model={model} />);
  const show = () => model.show(document.visibilityState === 'visible');
  // Changes made elsewhere are shown when the user comes back.
  document.addEventListener('visibilitychange', show);
  // The address was pasted into the open page again.
  window.addEventListener('hashchange', () => {
    void host.begin().then(() => model.refresh());
  });
  show();
}

const root = document.getElementById('page');
if (root) {
  void begin(root);
}
