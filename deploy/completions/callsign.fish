# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_callsign_global_optspecs
    string join \n config= h/help V/version
end

function __fish_callsign_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_callsign_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_callsign_using_subcommand
    set -l cmd (__fish_callsign_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c callsign -n "__fish_callsign_needs_command" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_needs_command" -s V -l version -d 'Print version'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "serve" -d 'Run the proxy'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "check" -d 'Validate the configuration and prove it: push requests full of spoofed identifiers through the real pipeline'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "explain" -d 'Show what becomes of a request, read from the standard input: what is removed and why, what is written and by which valve'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "id" -d 'Print, as JSON, exactly the identifier fields that would be sent for a caller'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "config" -d 'Print the effective configuration with the source of each value; secrets are shown as ***'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "key" -d 'Make keys for callers, or list those that are configured'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "healthcheck" -d 'Exit 0 if the local server is ready, 1 (and one line why) otherwise'
complete -c callsign -n "__fish_callsign_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand serve" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand serve" -l demo -d 'Run without an OpenRouter account: answers come from a stand-in that shows what it received'
complete -c callsign -n "__fish_callsign_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand check" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand check" -l json -d 'Print one JSON document: passed, warnings, valves, formats, checks, received'
complete -c callsign -n "__fish_callsign_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l as -d 'The user id of the caller' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l tenant -d 'The tenant whose user it is; the operator\'s own without' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l session -d 'The session id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l chat -d 'The chat (conversation) id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l message -d 'The message id' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l endpoint -d 'The endpoint: chat, responses, messages, embeddings, rerank, … or a path as chat/completions' -r
complete -c callsign -n "__fish_callsign_using_subcommand explain" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand id" -l user -d 'The user id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l tenant -d 'The tenant whose user it is; the operator\'s own without' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l session -d 'The session id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l chat -d 'The chat (conversation) id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l message -d 'The message id' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l endpoint -d 'The endpoint: chat, responses, messages, embeddings, rerank, … or a path as chat/completions' -r
complete -c callsign -n "__fish_callsign_using_subcommand id" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand id" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand config" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand config" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -f -a "new" -d 'Print a new key, once, and how to let it in'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -f -a "list" -d 'List the configured keys: whom they let in and whether they are valid. The keys themselves are not known here'
complete -c callsign -n "__fish_callsign_using_subcommand key; and not __fish_seen_subcommand_from new list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -l user -d 'The id of the person who will hold the key' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -l app -d 'A name for the app that will hold the key' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -l preset -d 'Which headers the app names its users in: generic (X-User-Id, …), openwebui, librechat, oauth2-proxy, authentik, or one of `[presets]` in the configuration file' -r
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "new" -d 'Print a new key, once, and how to let it in'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the configured keys: whom they let in and whether they are valid. The keys themselves are not known here'
complete -c callsign -n "__fish_callsign_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand healthcheck" -l config -d 'The TOML configuration file; the same as CALLSIGN_CONFIG. Environment variables win over it' -r -F
complete -c callsign -n "__fish_callsign_using_subcommand healthcheck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id config key healthcheck help" -f -a "serve" -d 'Run the proxy'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id config key healthcheck help" -f -a "check" -d 'Validate the configuration and prove it: push requests full of spoofed identifiers through the real pipeline'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id config key healthcheck help" -f -a "explain" -d 'Show what becomes of a request, read from the standard input: what is removed and why, what is written and by which valve'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id config key healthcheck help" -f -a "id" -d 'Print, as JSON, exactly the identifier fields that would be sent for a caller'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id config key healthcheck help" -f -a "config" -d 'Print the effective configuration with the source of each value; secrets are shown as ***'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id config key healthcheck help" -f -a "key" -d 'Make keys for callers, or list those that are configured'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id config key healthcheck help" -f -a "healthcheck" -d 'Exit 0 if the local server is ready, 1 (and one line why) otherwise'
complete -c callsign -n "__fish_callsign_using_subcommand help; and not __fish_seen_subcommand_from serve check explain id config key healthcheck help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "new" -d 'Print a new key, once, and how to let it in'
complete -c callsign -n "__fish_callsign_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'List the configured keys: whom they let in and whether they are valid. The keys themselves are not known here'
