//! Where accounts are kept if nobody chose a folder.

use std::process::Command;

use crate::{finish, folder::Folder, process};

#[test]
fn without_a_chosen_folder_accounts_are_kept_where_the_users_data_is() {
    let home = Folder::new("chat home");
    let run = |variables: &[(&str, &std::path::Path)], args: &[&str]| {
        let mut command = Command::new(process::program());
        for name in ["STATE_DIRECTORY", "XDG_DATA_HOME", "HOME"] {
            command.env_remove(name);
        }
        finish(command.envs(variables.iter().copied()).args(args), b"")
    };
    let data = home.join("data");
    for (variable, value, file) in [
        ("XDG_DATA_HOME", &data, data.join("iocp-chat/chat.db")),
        ("HOME", &home.to_path_buf(), home.join(".local/share/iocp-chat/chat.db")),
        ("STATE_DIRECTORY", &home.join("state"), home.join("state/chat.db")),
    ] {
        let said = run(&[(variable, value)], &["db", "migrate"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(file.exists() && said.out.starts_with(&file.display().to_string()), "{said:?}");
    }
    for args in [&["db", "migrate"][..], &["run", "--listen", "127.0.0.1:0"]] {
        let said = run(&[], args);
        assert!(said.code == Some(3) && said.err.contains("--data"), "{said:?}");
    }
}
