//! `completions`: what shells and `man` know of the command line, made from it.
//!
//! Pure: a word in, a text out.

use clap::Arg;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::engine::options::Command;
use crate::error::Error;
use crate::inputs::command_line::{COMPLETIONS, FORMS, command_line};
use crate::inputs::table::{INPUTS, Kind};
use crate::text::choice::words;
use crate::text::quote::quote;

/// The text for what is named behind `completions`.
pub fn render(names: &[&str]) -> Result<String, Error> {
    let problem =
        |what: String| Error::input(COMPLETIONS, format!("{what}; write `mirror-image {COMPLETIONS} {FORMS}`"));
    match names {
        ["bash"] => Ok(script(Shell::Bash)),
        ["zsh"] => Ok(script(Shell::Zsh)),
        ["fish"] => Ok(script(Shell::Fish)),
        ["man"] => manual().map_err(|error| problem(format!("has no manual page ({error})"))),
        [other] => Err(problem(format!("has no `{}`", quote(other)))),
        _ => Err(problem("needs one word".to_owned())),
    }
}

/// The first word is a subcommand here, with the flags of all, because a shell offers such a word in its place only.
fn script(shell: Shell) -> String {
    let mut command = command_line().no_binary_name(false).disable_help_subcommand(true);
    for input in INPUTS {
        command = command.mut_arg(input.name, |arg| match input.kind {
            Kind::Choice(words) => arg.value_parser(PossibleValuesParser::new(words())),
            Kind::Boolean => arg.value_parser(["true", "false"]),
            _ => arg,
        });
    }
    let forms = Arg::new("form").value_parser(PossibleValuesParser::new(FORMS.split('|')));
    command = command
        .mut_args(|arg| if arg.is_positional() { arg } else { arg.global(true) })
        .subcommands(words::<Command>().into_iter().map(clap::Command::new))
        .subcommand(clap::Command::new(COMPLETIONS).arg(forms));
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "mirror-image", &mut text);
    // For bash, clap_complete spells a program with a hyphen in two ways where the program has subcommands.
    String::from_utf8_lossy(&text).replace("mirror__subcmd__image", "mirror__image")
}

fn manual() -> std::io::Result<String> {
    let mut text = Vec::new();
    Man::new(command_line()).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::inputs::table::INPUTS;

    #[test]
    fn each_names_every_flag() {
        for form in ["bash", "zsh", "fish", "man"] {
            let text = render(&[form]).unwrap();
            for name in INPUTS.iter().map(|input| input.name).chain(["verbose", "help", "version"]) {
                // The manual's hyphens are not to be broken at, and fish writes the dashes itself.
                let flag = match form {
                    "fish" => format!("-l {name} "),
                    "man" => format!("\\-\\-{}\\fR", name.replace('-', "\\-")),
                    _ => format!("--{name}"),
                };
                assert!(text.replace('\n', " ").contains(&flag), "{form} has no {flag}:\n{text}");
            }
        }
    }

    #[test]
    fn shells_know_the_commands_and_the_words_of_a_choice() {
        for form in ["bash", "zsh", "fish"] {
            let text = render(&[form]).unwrap();
            assert!(["inspect", "completions", "overwrite"].iter().all(|word| text.contains(word)), "{form}:\n{text}");
        }
    }

    #[test]
    fn bash_finds_what_it_has_for_a_subcommand() {
        let text = render(&["bash"]).unwrap();
        let subcommands: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("cmd=\"")).collect();
        assert!(subcommands.len() > 4, "{text}");
        for name in subcommands.iter().map(|name| name.trim_end_matches('"')).filter(|name| !name.is_empty()) {
            assert!(text.contains(&format!("\n        {name})\n")), "nothing for {name}");
        }
    }

    #[test]
    fn another_word_is_refused_with_those_that_there_are() {
        for names in [&["tcsh"][..], &[], &["bash", "zsh"]] {
            let problem = render(names).unwrap_err();
            assert!(problem.is_input() && problem.to_string().ends_with("completions bash|zsh|fish|man`"), "{problem}");
        }
    }
}
