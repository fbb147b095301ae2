// Components of the section's rows and forms.

import { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

interface ButtonProps extends React.ComponentProps<'button'> {
  label: string;
  /** `accept` for a form's main action, `warn` for a destructive one. */
  look?: 'accept' | 'warn';
}

export function Button({ label, look, ...more }: ButtonProps): JSX.Element {
  return (
    <button
      type="button"
      className={look ? `jp-mod-styled jp-mod-${look}` : 'jp-mod-styled'}
      {...more}
    >
      {label}
    </button>
  );
}

/** What failed, and what to do about it. */
export type Failure = [string, string];

interface FailedProps {
  failure: Failure | null;
}

export function Failed({ failure }: FailedProps): JSX.Element | null {
  return (
    failure && (
      <div className="jp-VaultSection-wrong" role="alert">
        <div>{failure[0]}</div>
        <div>{failure[1]}</div>
      </div>
    )
  );
}

interface DialogProps {
  trans: TranslationBundle;
  label: string;
  /** The submit button's label; undefined if nothing can be submitted. */
  accept?: string;
  disabled?: boolean;
  autoFocus?: boolean;
  failure: Failure | null;
  submit: () => Promise<void>;
  cancel: () => void;
  /** Content beside the buttons. */
  beside?: React.ReactNode;
  children: React.ReactNode;
}

/** A form: fields, errors and buttons. Enter submits it, Escape closes it. */
export function Dialog(props: DialogProps): JSX.Element {
  const { trans, accept, disabled, autoFocus, cancel } = props;
  return (
    <form
      aria-label={props.label}
      autoComplete="off"
      onSubmit={event => {
        event.preventDefault();
        void props.submit();
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          cancel();
        }
      }}
    >
      {props.children}
      <Failed failure={props.failure} />
      <div className="jp-VaultSection-buttons">
        {accept && (
          <Button
            type="submit"
            look="accept"
            label={accept}
            {...{ disabled, autoFocus }}
          />
        )}
        <Button label={trans.__('Cancel')} onClick={cancel} />
        {props.beside}
      </div>
    </form>
  );
}
