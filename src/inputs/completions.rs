//! `completions`: what shells and `man` know of the command line, made from it.
//!
//! Pure: a word in, a text out.

use clap_complete::Shell;
use clap_mangen::Man;

use crate::error::Error;
use crate::inputs::command_line::{COMPLETIONS, Purpose, command_line};
use crate::text::quote::quote;

/// The text for what is named behind `completions`.
pub fn render(names: &[&str]) -> Result<String, Error> {
    let problem = |what: String| {
        Error::input(
            COMPLETIONS,
            format!("{what}; write `mirror-image {COMPLETIONS} bash|zsh|fish`, or `man [COMMAND]`"),
        )
    };
    match names {
        ["bash"] => Ok(script(Shell::Bash)),
        ["zsh"] => Ok(script(Shell::Zsh)),
        ["fish"] => Ok(script(Shell::Fish)),
        ["man"] => {
            manual(command_line(Purpose::Describe)).map_err(|error| problem(format!("has no manual page ({error})")))
        }
        ["man", name] => {
            let mut program = command_line(Purpose::Describe);
            program.build();
            let command =
                program.find_subcommand(name).ok_or_else(|| problem(format!("has no `man {}`", quote(name))))?;
            manual(command.clone()).map_err(|error| problem(format!("has no manual page ({error})")))
        }
        [] => Err(problem("needs one word".to_owned())),
        [other, ..] => Err(problem(format!("has no `{}`", quote(other)))),
    }
}

fn script(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command_line(Purpose::Describe), "mirror-image", &mut text);
    // For bash, clap_complete spells a program with a hyphen in two ways where the program has subcommands.
    String::from_utf8_lossy(&text).replace("mirror__subcmd__image", "mirror__image")
}

fn manual(command: clap::Command) -> std::io::Result<String> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::inputs::table::INPUTS;
    use crate::inputs::typed::Task;
    use crate::text::choice::{Choice as _, words};

    #[test]
    fn each_names_every_flag_of_a_command() {
        let (bash, zsh, fish) = (render(&["bash"]).unwrap(), render(&["zsh"]).unwrap(), render(&["fish"]).unwrap());
        for command in words::<Task>() {
            let (man, parsed) = (render(&["man", command]).unwrap(), Task::parse(command).unwrap());
            for input in INPUTS {
                let (name, has) = (input.name, input.tasks.contains(&parsed));
                let is_word = match parsed {
                    Task::Files(_) => name == "images-from",
                    Task::Images(_) | Task::Tags => matches!(name, "source" | "target"),
                };
                // The manual's hyphens are not to be broken at.
                let flag = format!("\\-\\-{}\\fR", name.replace('-', "\\-"));
                assert_eq!(man.contains(&flag), has && !is_word, "{command} {name}:\n{man}");
                let flag = format!("__fish_mirror_image_using_subcommand {command}\" -l {name} ");
                assert_eq!(fish.contains(&flag), has && !is_word, "{command} {name}:\n{fish}");
                for text in [&bash, &zsh] {
                    assert!(text.contains(&format!("--{name}")) || is_word || name == "command", "{name}:\n{text}");
                }
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
        for names in [&["tcsh"][..], &[], &["bash", "zsh"], &["man", "woman"]] {
            let problem = render(names).unwrap_err();
            assert!(
                problem.is_input() && problem.to_string().contains("completions bash|zsh|fish`, or `man"),
                "{problem}"
            );
        }
    }
}
