// Offers help below a cell that failed because a variable is missing.
//
// The help is below the error, as part of the page. It is not an output of the kernel, so the notebook does not change
// and nothing is saved.

import { Cell } from '@jupyterlab/cells';
import { TranslationBundle } from '@jupyterlab/translation';

import { PanelLayout, Widget } from '@lumino/widgets';

import { Applied } from './apply';
import { Running } from './host';
import { Model, given } from './model';

/** A failed cell's error. */
export interface CellError {
  errorName: string;
  errorValue: string;
  traceback?: string[];
}

/** The environment variable that a cell did not find; undefined if it failed for another reason. */
export function missingVariable(error: CellError): string | undefined {
  if (error.errorName !== 'KeyError') {
    return undefined;
  }
  // Python shows the key as a literal.
  const name = /^['"]([A-Za-z_][A-Za-z0-9_]*)['"]$/.exec(error.errorValue)?.[1];
  const trace = (error.traceback ?? [])
    .join('\n')
    .replace(/\u001b\[[\d;]*m/g, '');
  // Only os.environ's KeyError counts, not a dictionary's: its traceback contains Python's module os.
  const isEnvironment = /\benviron\b|<frozen os>|\bos\.py\b/.test(trace);
  return isEnvironment ? name : undefined;
}

/** The actions that the help offers. */
interface Ways {
  /** Opens the form for a new secret of that name. */
  add: (name: string) => void;
  apply: (kernel: Running) => Promise<Applied>;
  switchOn: (name: string, kernel: Running) => Promise<void>;
}

/** The help below a cell's outputs: a sentence and a button. */
class Answer extends Widget {
  constructor(message: string, label: string, callback: () => void) {
    super();
    this.addClass('jp-VaultSection-answer');
    this.node.setAttribute('role', 'status');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'jp-mod-styled';
    button.textContent = label;
    button.addEventListener('click', () => {
      this.dispose();
      callback();
    });
    this.node.append(`${message} `, button);
  }
}

const answers = new WeakMap<Cell, Answer>();

/** Removes the help, such as when the cell runs again. */
export function forget(cell: Cell): void {
  answers.get(cell)?.dispose();
  answers.delete(cell);
}

/** Shows what is missing, with the one action that helps. */
export async function offer(
  name: string,
  kernel: Running,
  cell: Cell,
  model: Model,
  trans: TranslationBundle,
  ways: Ways
): Promise<void> {
  await model.refresh();
  const secret = model.listing?.secrets.find(secret => secret.name === name);
  let message: string;
  let label: string;
  let callback: () => void;
  if (!secret && model.place) {
    message = trans.__('%1 is not among your secrets.', name);
    label = trans.__('Add %1', name);
    callback = () => ways.add(name);
  } else if (secret && model.isOff(name, kernel.path)) {
    message = trans.__('%1 is off for this notebook.', name);
    label = trans.__('Turn it on');
    callback = () => void ways.switchOn(name, kernel);
  } else if (secret && given(secret, kernel) === undefined) {
    message = trans.__('Vault has %1, but this kernel does not.', name);
    label = trans.__('Apply to this kernel');
    callback = () => void ways.apply(kernel);
  } else {
    // No Vault, no permission to add, or the cell removed the variable itself.
    return;
  }
  const layout = cell.layout;
  if (cell.isDisposed || !(layout instanceof PanelLayout)) {
    return;
  }
  forget(cell);
  const answer = new Answer(message, label, callback);
  answers.set(cell, answer);
  // Above the cell's footer.
  layout.insertWidget(layout.widgets.length - 1, answer);
}
