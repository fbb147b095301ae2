// Imports a file of secrets: shows the changes by name first.

import { TranslationBundle } from '@jupyterlab/translation';
import React, { useState } from 'react';

import { Model, asRefused } from './model';
import { Dialog, Failure } from './parts';
import { Change } from './requests';
import { explain } from './words';

/** A file's text, and the changes that it would make. */
export interface Import {
  file: string;
  content: string;
  format: string;
  to?: string;
  changes: Change[];
}

/** Reads a file, and requests the changes that it would make. */
export async function preview(model: Model, file: File): Promise<Import> {
  const content = await file.text();
  const end = file.name.split('.').pop() ?? '';
  const yaml = ['yaml', 'yml'].includes(end);
  const format = yaml ? 'yaml' : end === 'json' ? 'json' : 'env';
  const to = model.place?.source;
  const fields = { content, format, to, dry_run: true };
  const said = (await model.requests.act('import', fields)) as {
    changes: Change[];
  };
  return { file: file.name, content, format, to, changes: said.changes };
}

interface ImportingProps {
  wanted: Import;
  model: Model;
  trans: TranslationBundle;
  /** Called when the import is done, with the number of secrets written. */
  done: (written?: number) => void;
}

export function Importing(props: ImportingProps): JSX.Element {
  const { wanted, model, trans, done } = props;
  const [wrong, setWrong] = useState<Failure | null>(null);
  const todo = wanted.changes.filter(({ change }) =>
    ['add', 'replace'].includes(change)
  );
  const words = {
    add: trans.__('add'),
    replace: trans.__('replace'),
    same: trans.__('unchanged'),
    empty: trans.__('skipped, it has no value')
  };

  const write = async () => {
    const { content, format, to } = wanted;
    try {
      await model.act('import', { content, format, to });
      done(todo.length);
    } catch (cause) {
      setWrong(explain(asRefused(cause), trans));
    }
  };

  return (
    <Dialog
      trans={trans}
      label={trans.__('Import of %1', wanted.file)}
      accept={trans._n('Write %1 secret', 'Write %1 secrets', todo.length)}
      autoFocus
      disabled={todo.length === 0}
      failure={wrong}
      submit={write}
      cancel={() => done()}
    >
      <ul aria-label={trans.__('Changes by %1', wanted.file)}>
        {wanted.changes.map(({ name, change }) => (
          <li key={name}>{`${words[change]}: ${name}`}</li>
        ))}
      </ul>
    </Dialog>
  );
}
