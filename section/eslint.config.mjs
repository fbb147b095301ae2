import tseslint from 'typescript-eslint';

export default tseslint.config(...tseslint.configs.strict, {
  rules: {
    eqeqeq: 'error',
    'no-console': 'error',
    // JupyterLab's own tokens are interfaces that begin with I; the rest of the rules is typescript-eslint's.
    '@typescript-eslint/no-extraneous-class': 'off'
  }
});
