// Data sources: where each is, which kernels have it, and how a notebook connects to it.

import { TranslationBundle } from '@jupyterlab/translation';
import React, { useRef, useState } from 'react';

import { Running } from './host';
import { Model, asRefused } from './model';
import { Button, Failed, Failure } from './parts';
import { DataSource, SourceHolder } from './requests';
import { baseName, explain } from './words';

interface SourcesProps {
  model: Model;
  trans: TranslationBundle;
  said: (sentence: string) => void;
}

export function Sources(props: SourcesProps): JSX.Element | null {
  const { model, trans } = props;
  const fixed = model.listing?.fixed ?? [];
  if (fixed.length === 0) {
    return null;
  }
  const others = fixed.filter(({ what }) => what !== 'data sources');
  const refused = model.sourcesRefused;
  return (
    <section aria-label={trans.__('Data sources')}>
      <h3>{trans.__('Data sources')}</h3>
      {refused && (
        <div className="jp-VaultSection-part" role="alert">
          <div className="jp-VaultSection-wrong">
            {explain(refused, trans).join('. ')}
          </div>
        </div>
      )}
      <ul>
        {model.sources.map(source => (
          <Source
            key={`${source.source}/${source.name}`}
            source={source}
            {...props}
          />
        ))}
        {others.map(({ source, what }) => (
          <li key={source} className="jp-VaultSection-note">
            {`${source}: ${what}`}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What the current notebook has of a source, or else the first kernel that has it. */
function holder(
  source: DataSource,
  model: Model
): [Running, SourceHolder] | undefined {
  const held = source.kernels.flatMap<[Running, SourceHolder]>(holder => {
    const running = model.running.find(
      ({ id }) => holder.kernel === `kernel-${id}` || holder.kernel === id
    );
    return running ? [[running, holder]] : [];
  });
  return held.find(([running]) => running.id === model.current?.id) ?? held[0];
}

function Source(props: SourcesProps & { source: DataSource }): JSX.Element {
  const { source, model, trans, said } = props;
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<Failure | null>(null);
  const [told, setTold] = useState('');
  const button = useRef<HTMLButtonElement>(null);
  const has = holder(source, model);
  const named = { name: source.name, to: source.source };

  const attempt = async (work: () => Promise<void>) => {
    setWrong(null);
    setTold('');
    setBusy(true);
    try {
      await work();
    } catch (cause) {
      setWrong(explain(asRefused(cause), trans));
    } finally {
      setBusy(false);
    }
  };
  const test = () =>
    attempt(async () => {
      const answer = await model.requests.act('source_test', named);
      setTold((answer as { said: string }).said);
    });
  const remove = () =>
    attempt(async () => {
      const agreed = await model.host.confirm({
        title: trans.__('Remove the data source %1?', source.name),
        body: trans.__('Running kernels keep their credentials.'),
        accept: trans.__('Remove')
      });
      if (agreed) {
        await model.act('source_remove', named);
        said(trans.__('Removed %1.', source.name));
      }
    });
  const use = (source.variables ?? [])
    .map(name => `os.environ["${name}"]`)
    .join('\n');

  return (
    <li
      data-source={source.name}
      onKeyDown={event => {
        if (event.key === 'Escape' && open) {
          event.stopPropagation();
          setOpen(false);
          button.current?.focus();
        }
      }}
    >
      <button
        ref={button}
        type="button"
        className="jp-VaultSection-name"
        aria-expanded={open}
        title={`${source.name} (${source.source}/${source.name})`}
        onClick={() => setOpen(!open)}
      >
        <span>{source.name}</span>
        <span className="jp-VaultSection-note">
          {[source.kind, source.at].filter(part => part).join(' · ')}
        </span>
      </button>
      {source.error && (
        <div className="jp-VaultSection-wrong">
          <div>{source.error.what}</div>
          <div>{source.error.advice}</div>
        </div>
      )}
      {has && (
        <div className="jp-VaultSection-note">{`● ${lease(has, trans)}`}</div>
      )}
      {open && (
        <div
          className="jp-VaultSection-buttons"
          role="group"
          aria-label={trans.__('Actions for %1', source.name)}
        >
          {!source.error && (
            <>
              <Button
                label={trans.__('Test')}
                disabled={busy}
                onClick={() => void test()}
              />
              <Button
                label={trans.__('Copy the code')}
                onClick={() => {
                  model.host.copy(use);
                  setTold(trans.__('Copied.'));
                }}
              />
            </>
          )}
          <Button
            look="warn"
            label={trans.__('Remove')}
            disabled={busy}
            onClick={() => void remove()}
          />
        </div>
      )}
      {open && use && <pre className="jp-VaultSection-code">{use}</pre>}
      {told && (
        <div className="jp-VaultSection-note" role="status">
          {told}
        </div>
      )}
      <Failed failure={wrong} />
    </li>
  );
}

/** What a kernel has of a data source, as a sentence. */
function lease(
  [kernel, held]: [Running, SourceHolder],
  trans: TranslationBundle
): string {
  const name = baseName(kernel.path);
  if (held.leases === 0) {
    return trans.__('%1 has it.', name);
  }
  return held.renewed
    ? trans.__('%1 has a credential that ends with its kernel.', name)
    : trans.__(
        '%1 has a credential that is no longer renewed: restart its kernel.',
        name
      );
}
