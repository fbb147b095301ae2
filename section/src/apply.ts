// Gives secrets to running kernels, and restarts kernels that can only get them at their start.

import { TranslationBundle } from '@jupyterlab/translation';

import { Running } from './host';
import { Model, asRefused } from './model';
import { baseName, explain } from './words';

/** The program's exit code for a kernel whose variables can't be set while it runs. */
const AT_ITS_START = 83;

/** The outcome of an apply. */
export interface Applied {
  /** A sentence for each kernel. */
  said: string;
  /** The kernels that did not get the secrets that they lack. */
  failed: Running[];
  /** Those of them that would get them by a restart. */
  restartable: Running[];
}

/** Gives `kernels` the secrets that they lack, one kernel after another. */
export async function apply(
  model: Model,
  kernels: Running[],
  trans: TranslationBundle
): Promise<Applied> {
  const said: string[] = [];
  const failed: Running[] = [];
  const restartable: Running[] = [];
  for (const kernel of kernels) {
    const name = baseName(kernel.path);
    try {
      await model.requests.act('apply', { kernel: kernel.id });
      said.push(trans.__('%1 has the latest secrets.', name));
    } catch (cause) {
      const refused = asRefused(cause);
      failed.push(kernel);
      if (refused.by === 'program' && refused.code === AT_ITS_START) {
        restartable.push(kernel);
        said.push(
          trans.__('%1: this kernel can only get secrets when it starts.', name)
        );
      } else {
        said.push(`${name}: ${explain(refused, trans).join('. ')}`);
      }
    }
  }
  await model.refresh();
  return { said: said.join(' '), failed, restartable };
}

/** Restarts a kernel if the user confirms; returns whether it was restarted. */
export async function restart(
  model: Model,
  kernel: Running,
  trans: TranslationBundle
): Promise<boolean> {
  const agreed = await model.host.confirm({
    title: trans.__('Restart the kernel of %1?', baseName(kernel.path)),
    body: trans.__('Its variables will be lost. The notebook does not change.'),
    accept: trans.__('Restart')
  });
  if (!agreed) {
    return false;
  }
  await model.host.restart?.(kernel);
  await model.refresh();
  return true;
}
