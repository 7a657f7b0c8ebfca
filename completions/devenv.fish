complete --keep-order --exclusive --command devenv --arguments "(DEVENV_COMPLETE=fish devenv -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
