set edit:completion:arg-completer[devenv] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) DEVENV_COMPLETE="elvish" devenv -- $@words) | to-lines
}
