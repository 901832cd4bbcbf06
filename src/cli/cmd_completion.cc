// slipway completion: scripts that ask `slipway __complete`, so that they never go stale.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/command.h"

namespace slipway::cli {
namespace {

constexpr std::string_view bash_script = R"sh(# bash completion for slipway
_slipway() {
  local cur line
  cur=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
      :files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
      *) COMPREPLY+=("${line%%$'\t'*}") ;;
    esac
  done < <(slipway __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _slipway slipway
)sh";

constexpr std::string_view zsh_script = R"sh(#compdef slipway
# zsh completion for slipway
_slipway() {
  local line
  local -a candidates
  while IFS= read -r line; do
    case $line in
      :folders) _files -/; return ;;
      :files) _files; return ;;
      *$'\t'*) candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
      *) candidates+=("${line//:/\\:}") ;;
    esac
  done < <(slipway __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe 'slipway' candidates
}
if [ "$funcstack[1]" = "_slipway" ]; then
  _slipway "$@"
else
  compdef _slipway slipway
fi
)sh";

constexpr std::string_view fish_script = R"sh(# fish completion for slipway
function __slipway_complete
  set -l words (commandline -opc) (commandline -ct)
  set -e words[1]
  for line in (slipway __complete $words 2>/dev/null)
    switch $line
      case ':folders'
        __fish_complete_directories (commandline -ct)
      case ':files'
        __fish_complete_path (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c slipway -f -a '(__slipway_complete)'
)sh";

}  // namespace

Action define_completion(Arguments& arguments, CommonOptions&) {
  auto shell = std::make_shared<std::optional<std::string>>();
  arguments.positional("SHELL", *shell, "bash, zsh or fish", ValueKind::shell, Presence::required);
  return [shell](Context& context) -> Result<int> {
    const std::string& name = **shell;
    if (name != "bash" && name != "zsh" && name != "fish")
      return fail(Errc::invalid_argument,
                  fmt::format("no completion for '{}'", sanitize_line(name)),
                  "there is one for bash, zsh and fish");
    context.console.out(name == "bash" ? bash_script : name == "zsh" ? zsh_script : fish_script);
    return 0;
  };
}

}  // namespace slipway::cli
